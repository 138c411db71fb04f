"""The results of a campaign as a CSV file: what became of each recipient, in each run."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar
from zoneinfo import ZoneInfo

from dispatcher.domain.campaigns.campaign import RunState
from dispatcher.domain.campaigns.csv_cells import csv_line
from dispatcher.service.context import Context
from dispatcher.service.yielding import yielding
from dispatcher.store.campaigns import audiences, results
from dispatcher.store.campaigns.audiences import Audience
from dispatcher.store.campaigns.campaigns import CampaignRow
from dispatcher.store.campaigns.results import MessageResult, RunSnapshot, UnsentRecipient

T = TypeVar("T")

COLUMNS = (
    *("run", "number", "as_written", "status", "code", "reason", "at", "segments", "credits"),
    *("provider", "message"),
)
"""The columns of the file, before those of the audience."""

_PAGE = 1000
_RUNS = 100
_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)
_OPEN = frozenset({RunState.EXPANDING, RunState.SENDING})


async def result_file(ctx: Context, campaign: CampaignRow) -> AsyncIterator[str]:
    """
    Yield the lines of the file, the header first; reads 1,000 recipients at a time.

    Each recipient has a line in each run, also those without a message. Times
    are in the campaign's zone. Cells are guarded against being read as
    formulas.
    """
    audience_id = campaign.terms.audience_id
    audience = await ctx.database.single(lambda c: audiences.by_id(c, audience_id))
    lines = _Lines(audience, ZoneInfo(campaign.terms.timezone))
    yield lines.header()
    async for run in _runs(ctx, campaign):
        if run.batch_id is not None:
            page = partial(results.messages, run=run, audience_id=audience.id)
            async for message in _all(ctx, page, position=lambda one: one.id):
                yield lines.of_message(run, message)
        if not run.is_complete:
            unsent = partial(results.recipients_without_message, run=run, audience_id=audience.id)
            async for recipient in _all(ctx, unsent, position=lambda one: one.position):
                yield lines.of_recipient(run, recipient)


class _Lines:
    def __init__(self, audience: Audience, zone: ZoneInfo) -> None:
        self._columns = audience.columns
        self._separator = audience.file.separator or ","
        self._zone = zone

    def header(self) -> str:
        own = (f"{name} (file)" if name in COLUMNS else name for name in self._columns)
        return self._line((*COLUMNS, *own))

    def of_message(self, run: RunSnapshot, message: MessageResult) -> str:
        status = message.status
        return self._line(
            (
                self._time(run.due_at),
                message.number,
                message.number_as_given,
                status.name.replace("_", " ").lower(),
                str(status.value),
                message.reason,
                self._time(message.at),
                str(message.segments),
                str(message.charged),
                message.provider or "",
                str(message.public_id),
                *(message.variables.get(name, "") for name in self._columns),
            )
        )

    def of_recipient(self, run: RunSnapshot, recipient: UnsentRecipient) -> str:
        is_open = run.state in _OPEN
        return self._line(
            (
                self._time(run.due_at),
                recipient.number,
                recipient.number_as_given,
                "not yet" if is_open else "not sent",
                "",
                run.reason or ("its turn has not come" if is_open else f"the run is {run.state}"),
                *("", "0", "0", "", ""),
                *(recipient.variables.get(name, "") for name in self._columns),
            )
        )

    def _line(self, cells: Sequence[str]) -> str:
        return csv_line(cells, self._separator)

    def _time(self, at: datetime) -> str:
        return at.astimezone(self._zone).isoformat(" ", "seconds")


async def _runs(ctx: Context, campaign: CampaignRow) -> AsyncIterator[RunSnapshot]:
    after = _BEFORE_ALL
    while True:
        found = await ctx.database.single(
            partial(results.runs, campaign_id=campaign.id, after=after, limit=_RUNS)
        )
        for run in found:
            yield run
        if len(found) < _RUNS:
            return
        after = found[-1].due_at


async def _all(
    ctx: Context, page: Callable[..., Awaitable[list[T]]], *, position: Callable[[T], int]
) -> AsyncIterator[T]:
    """Yield what is on all pages; `page` takes the position after which it begins."""
    after = 0
    while found := await ctx.database.single(partial(page, after=after, limit=_PAGE)):
        async for one in yielding(found):
            yield one
        after = position(found[-1])
