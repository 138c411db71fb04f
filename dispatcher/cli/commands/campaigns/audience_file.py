"""The options that say how to read a CSV file of recipients."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli.commands.campaigns.audience_output import import_progress_bar
from dispatcher.service.campaigns.recipient_file import ProgressHandler, RecipientFile

_CHUNK = 1 << 18  # bytes


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How to read a file; what is None is detected."""

    country: Annotated[
        str | None, typer.Option(metavar="CC", help="Country of national numbers. Default: the account's.")
    ] = None
    column: Annotated[
        str | None, typer.Option(help="Column with the numbers. Default: to, number, phone or the like.")
    ] = None
    encoding: Annotated[str | None, typer.Option(help="Default: detected.")] = None
    separator: Annotated[str | None, typer.Option(help="One of , ; | and tab. Default: detected.")] = None

    @contextmanager
    def opened(self, file: Path) -> Iterator[tuple[RecipientFile, ProgressHandler]]:
        """Open a file, with a progress bar on standard error if that is a terminal. Raises OSError."""
        with file.open("rb") as source, import_progress_bar(os.fstat(source.fileno()).st_size) as report:
            chunks = iter(lambda: source.read(_CHUNK), b"")
            yield (
                RecipientFile(
                    chunks,
                    name=file.name,
                    column=self.column,
                    encoding=self.encoding,
                    separator=self.separator,
                    country=self.country,
                ),
                report,
            )
