"""Arguments and options that many commands have."""

from pathlib import Path
from typing import Annotated

import typer

_BIGINT = 2**63 - 1

AccountName = Annotated[
    str, typer.Argument(metavar="ACCOUNT", help="The account's name.", show_default=False)
]
AccountOption = Annotated[
    str | None, typer.Option("--account", help="Whose; may be left out if there is only one.")
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Data directory of the running `dispatcher up`. Default: DATABASE_URL and REDIS_URL,"
        " else DISPATCHER_DATA, else .data",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DaysOption = Annotated[
    int | None, typer.Option("--days", min=1, max=36_500, help="How long it is good for. Default: no end.")
]
KeyLabel = Annotated[
    str | None, typer.Option("--name", help="What it is called; no other of its kind may be called so.")
]
CredentialId = Annotated[
    int, typer.Argument(metavar="ID", min=1, max=_BIGINT, help="As the list tells it.", show_default=False)
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="How many at the most.")]
After = Annotated[
    int, typer.Option("--after", min=0, max=_BIGINT, metavar="ID", help="Only what comes after.")
]
Before = Annotated[
    int | None, typer.Option("--before", min=1, max=_BIGINT, metavar="ID", help="Only what came before.")
]

Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
