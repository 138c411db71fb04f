"""Reading a file of recipients in chunks; other tasks of the loop run while numbers are checked."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

from dispatcher.domain.accounts.account import Account
from dispatcher.domain.campaigns.csv_recipients import (
    InvalidRow,
    RecipientRow,
    RecipientSheet,
    read_recipients,
)
from dispatcher.domain.campaigns.csv_rejects import FileFormat
from dispatcher.domain.campaigns.file_kinds import refuse_other_names
from dispatcher.domain.errors import Invalid
from dispatcher.domain.numbers.msisdn import InvalidNumber, Msisdn, NumberPolicy, is_country, parse
from dispatcher.service.context import Context
from dispatcher.service.yielding import yielding
from dispatcher.store.campaigns.rejects import Reject

T = TypeVar("T")

CHUNK_ROWS = 1000
_CHUNK_CHARACTERS = 1_000_000  # and fields, so that long or many values do not make a chunk larger


@dataclass(frozen=True, slots=True)
class RecipientFile:
    """
    A CSV file and its format; a format of None is detected, and `country` defaults to the account's.

    `chunks` may block: they are read in a separate thread. `column` has the
    phone numbers. `name` is the file's own, which may say that it is no CSV.
    """

    chunks: Iterable[bytes]
    name: str = ""
    column: str | None = None
    encoding: str | None = None
    separator: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How much of a file has been read; `bytes` is a little ahead of `rows`."""

    bytes: int
    rows: int
    recipients: int
    rejects: int


ProgressHandler = Callable[[ImportProgress], None]


def ignore_progress(_: ImportProgress) -> None:
    """Do nothing."""


class Candidate(NamedTuple):
    """A row with a valid number."""

    line: int
    number: Msisdn
    written: str
    variables: Mapping[str, str]
    fields: Sequence[str]  # the whole row

    def reject(self, reason: str) -> Reject:
        """Return the row as a reject."""
        return Reject(self.line, reason, self.fields)


class RecipientChunk(NamedTuple):
    """Some rows of a file, in its order."""

    candidates: Sequence[Candidate]
    rejects: Sequence[Reject]


class FileReading:
    """A file whose header has been read. `read_chunks` can be used once."""

    def __init__(
        self, sheet: RecipientSheet, source: "_CountedChunks", policy: NumberPolicy, thread: "_ReaderThread"
    ) -> None:
        self.columns = tuple(name for name in sheet.columns if name != sheet.number_column)
        self.format = FileFormat(sheet.encoding, sheet.separator, sheet.file_columns)
        self._rows = sheet.rows
        self._source = source
        self._policy = policy
        self._thread = thread

    @property
    def bytes(self) -> int:
        """How many bytes have been read from the file."""
        return self._source.bytes

    async def read_chunks(self) -> AsyncIterator[RecipientChunk]:
        """Yield the rows, up to 1,000 at a time, each a candidate or a reject."""
        while rows := await self._thread.run(lambda: _next_rows(self._rows)):
            candidates: list[Candidate] = []
            rejects: list[Reject] = []
            async for row in yielding(rows):
                match _candidate(row, self._policy):
                    case Candidate() as candidate:
                        candidates.append(candidate)
                    case Reject() as reject:
                        rejects.append(reject)
            yield RecipientChunk(candidates, rejects)


@asynccontextmanager
async def open_recipients(
    ctx: Context,
    account: Account,
    file: RecipientFile,
    *,
    header_optional: bool = False,
    require_valid: bool = True,
) -> AsyncIterator[FileReading]:
    """
    Open a file by reading its header. Raises Invalid for an unusable one, and what `chunks` raises.

    Without `require_valid`, any plausible number will do, as for opt-outs.

    Blocking reads run in a thread of their own, because a slow upload would
    occupy one of the few threads of the loop. Computing does not: in a thread it
    would hold the GIL for 5 ms each time that the loop needs it.
    """
    refuse_other_names(file.name)
    policy = replace(_policy(ctx, account, file.country), require_valid=require_valid)
    source = _CountedChunks(file.chunks)
    thread = _ReaderThread()
    try:
        sheet = await thread.run(
            lambda: read_recipients(
                source,
                encoding=file.encoding,
                separator=file.separator,
                number_column=file.column,
                is_number=lambda field: _is_number(field, policy),
                header_optional=header_optional,
            )
        )
        yield FileReading(sheet, source, policy, thread)
    finally:
        thread.shut_down()


def drop_repeats(
    candidates: Sequence[Candidate], earlier: Mapping[str, int]
) -> tuple[list[Candidate], list[Reject]]:
    """Return the first candidate of each number, and the rest as rejects; `earlier` has lines by number."""
    lines = dict(earlier)
    fresh: list[Candidate] = []
    repeated: list[Reject] = []
    for candidate in candidates:
        first = lines.setdefault(candidate.number.e164, candidate.line)
        if first == candidate.line:
            fresh.append(candidate)
        else:
            repeated.append(candidate.reject(f"same number as line {first}"))
    return fresh, repeated


class _CountedChunks:
    """Counts the bytes of chunks as they are read."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.bytes += len(chunk)
            yield chunk


class _ReaderThread:
    """One thread for blocking reads."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="recipients")

    async def run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def shut_down(self) -> None:
        """End the thread without waiting for it: waiting would block the loop that its read may depend on."""
        self._executor.shutdown(wait=False)


def _next_rows(rows: Iterator[RecipientRow | InvalidRow]) -> list[RecipientRow | InvalidRow]:
    """Return the next rows, as many as make a chunk."""
    taken: list[RecipientRow | InvalidRow] = []
    characters = 0
    for row in rows:
        taken.append(row)
        characters += sum(map(len, row.fields)) + len(row.fields)
        if len(taken) >= CHUNK_ROWS or characters >= _CHUNK_CHARACTERS:
            break
    return taken


def _candidate(row: RecipientRow | InvalidRow, policy: NumberPolicy) -> Candidate | Reject:
    if isinstance(row, InvalidRow):
        return Reject(*row)
    try:
        return Candidate(row.line, parse(row.number, policy), row.number, row.variables, row.fields)
    except InvalidNumber as error:
        return Reject(row.line, str(error), row.fields)


def _is_number(field: str, policy: NumberPolicy) -> bool:
    try:
        parse(field.strip(), policy)
    except InvalidNumber:
        return False
    return True


def _policy(ctx: Context, account: Account, country: str | None) -> NumberPolicy:
    if country is not None and not is_country(country):
        raise Invalid(f"{country!r} is not a country: give two capital letters, such as KE")
    default = country or account.default_country
    return NumberPolicy(
        default_country=default,
        national=default is not None,
        lenient=True,
        simulated=ctx.settings.simulated_numbers,
    )
