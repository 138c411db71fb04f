"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

_BIGINT = 2**63 - 1

AccountName = Annotated[
    str, typer.Argument(metavar="ACCOUNT", help="The account's name.", show_default=False)
]
AccountOption = Annotated[
    str | None, typer.Option("--account", help="The account; may be left out if there is only one.")
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
    int | None, typer.Option("--days", min=1, max=36_500, help="Days until it expires. Default: never.")
]
KeyLabel = Annotated[str | None, typer.Option("--name", help="Its name; must be unique among its kind.")]
CredentialId = Annotated[
    int, typer.Argument(metavar="ID", min=1, max=_BIGINT, help="Its id, as in the list.", show_default=False)
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="The maximum number of rows.")]
After = Annotated[
    int, typer.Option("--after", min=0, max=_BIGINT, metavar="ID", help="Only rows after this id.")
]
Before = Annotated[
    int | None, typer.Option("--before", min=1, max=_BIGINT, metavar="ID", help="Only rows before this id.")
]

Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
