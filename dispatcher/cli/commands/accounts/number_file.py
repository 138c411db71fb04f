"""Imports the phone numbers of a file of any length, which is read as a file of recipients is."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from dispatcher.domain.accounts.account import Account
from dispatcher.service.campaigns.recipient_file import RecipientFile, open_recipients
from dispatcher.service.context import Context

AddNumbers = Callable[[Sequence[str]], Awaitable[int]]


@dataclass(slots=True)
class FileCounts:
    """What became of a file: lines that are not empty, numbers that were new, lines that were left out."""

    lines: int = 0
    new: int = 0
    bad: int = 0


async def import_numbers(
    ctx: Context, account: Account, file: RecipientFile, add: AddNumbers, *, report: Callable[[str], None]
) -> FileCounts:
    """
    Pass all numbers of a file to `add`, which returns how many were new, and report each line without one.

    The file needs no header: it may have one number a line.
    """
    counts = FileCounts()
    async with open_recipients(ctx, account, file, header_optional=True, require_valid=False) as reading:
        async for chunk in reading.read_chunks():
            if chunk.candidates:
                counts.new += await add([candidate.number.e164 for candidate in chunk.candidates])
            for reject in chunk.rejects:
                report(f"line {reject.line}: {reject.reason}")
            counts.bad += len(chunk.rejects)
            counts.lines += len(chunk.candidates) + len(chunk.rejects)
    return counts
