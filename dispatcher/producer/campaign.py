"""A campaign as an object of a Python program."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from dispatcher.domain.accounts.account import Account
from dispatcher.domain.campaigns.campaign import CampaignPlan, CampaignState, RunState
from dispatcher.domain.errors import Invalid
from dispatcher.domain.messages.edit import EditReport
from dispatcher.domain.messages.status import Status
from dispatcher.producer.arguments import wrong
from dispatcher.producer.loop_thread import ProducerThread
from dispatcher.service.campaigns import campaigns, drafts, edits
from dispatcher.service.campaigns.follow import follow
from dispatcher.service.campaigns.progress import CampaignReport
from dispatcher.service.campaigns.recipient_file import RecipientFile
from dispatcher.service.context import Context

T = TypeVar("T")

Rows = Iterable[Mapping[str, object]]

_COLUMN = "to"
_CHUNK = 1 << 16  # characters


@dataclass(frozen=True, slots=True)
class Progress:
    """
    The progress of a campaign's latest run; all numbers are 0 before the first run.

    `done` counts the recipients that have a message or were left out.
    `through` is when the last message will have been sent, None if it has been
    or if there is no forecast; `limit` is a sentence on what limits the rate.
    """

    campaign: CampaignState
    reason: str
    next_due: datetime | None
    run: RunState | None
    recipients: int
    done: int
    statuses: Mapping[Status, int]
    cost: int
    through: datetime | None
    limit: str


class Campaign:
    """One campaign. Every call raises Conflict if the campaign's state does not allow it."""

    def __init__(self, current_thread: Callable[[], ProducerThread], public_id: str, name: str) -> None:
        self.id = public_id
        self.name = name
        self._current_thread = current_thread

    def start(self) -> None:
        """Start the draft; it runs when it is due."""
        self._move(campaigns.start)

    def pause(self) -> None:
        """Pause it within a second or two; none of its messages expires meanwhile."""
        self._move(campaigns.pause)

    def resume(self) -> None:
        """Resume it; messages not sent yet move by the length of the pause."""
        self._move(campaigns.resume)

    def cancel(self) -> int:
        """Cancel it for good and return how many messages were cancelled and refunded."""
        return self._move(campaigns.cancel).withdrawn

    def change_text(self, text: str, *, dry_run: bool = False) -> EditReport:
        """
        Change its text, of messages that wait and of recipients to come, and return what became of each.

        With `dry_run` recipients are only counted. Raises InvalidFields for a
        text that the audience cannot fill, and NotEnoughCredit.
        """
        thread = self._current_thread()
        return thread.run(edits.change_text(thread.ctx, thread.account, self.id, text=text, dry_run=dry_run))

    def progress(self) -> Progress:
        """Return its progress."""
        thread = self._current_thread()
        return _progress(thread.run(campaigns.show(thread.ctx, thread.account, self.id, limit=1)))

    def wait(self, timeout: timedelta) -> Progress:
        """
        Return the progress when the run is over; without an open run wait for the next one.

        Raises TimeoutError, and Conflict for a draft. Receipts may come later.
        """
        thread = self._current_thread()
        reports = follow(thread.ctx, thread.account, self.id)
        return _progress(thread.run(asyncio.wait_for(_last(reports), timeout.total_seconds())))

    def _move(self, use_case: Callable[[Context, Account, str], Coroutine[Any, Any, T]]) -> T:
        thread = self._current_thread()
        return thread.run(use_case(thread.ctx, thread.account, self.id))


async def create(thread: ProducerThread, plan: CampaignPlan, rows: Rows | None) -> campaigns.CampaignRow:
    """Return a new campaign, with these rows as its audience unless the plan names one."""
    if rows is None:
        return await drafts.create(thread.ctx, thread.account, plan)
    file = RecipientFile(_lines(rows), column=_COLUMN, encoding="utf-8", separator=",")
    return await drafts.create_with_file(thread.ctx, thread.account, plan, file, audience=plan.name)


async def _last(reports: AsyncIterator[CampaignReport]) -> CampaignReport:
    async for report in reports:
        last = report
    return last


def _progress(report: CampaignReport) -> Progress:
    campaign = report.campaign
    latest = report.runs[0] if report.runs else None
    run = latest.run if latest else None
    return Progress(
        campaign=campaign.state,
        reason=campaign.reason or (run.reason if run else ""),
        next_due=campaign.next_due,
        run=run.state if run else None,
        recipients=run.total if run else 0,
        done=run.position if run else 0,
        statuses=latest.statuses if latest else {},
        cost=latest.cost if latest else 0,
        through=latest.forecast.through if latest and latest.forecast else None,
        limit=latest.limit if latest else "",
    )


def _lines(rows: Rows) -> Iterator[bytes]:
    """Yield the lines of a CSV file. Raises Invalid for a row whose keys are not those of the first."""
    buffer = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise wrong(f"row {number}", row, "a dict")
        if writer is None:
            writer = csv.DictWriter(buffer, list(row), lineterminator="\n")
            writer.writeheader()
        if row.keys() != set(writer.fieldnames):
            raise Invalid(f"row {number} has {_named(row)}, and the first has {_named(writer.fieldnames)}")
        writer.writerow(row)
        if buffer.tell() > _CHUNK:
            yield _drain(buffer)
    yield _drain(buffer)


def _drain(buffer: io.StringIO) -> bytes:
    written = buffer.getvalue().encode()
    buffer.seek(0)
    buffer.truncate()
    return written


def _named(keys: Iterable[str]) -> str:
    return ", ".join(keys) or "nothing"
