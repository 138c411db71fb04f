"""Options that many commands have."""

from pathlib import Path
from typing import Annotated

import typer

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
