"""
Edits of waiting messages: cancellation, another window, another text.

Each message is either sent unchanged or changed, never both: rows are locked
before the edit is decided, rows that a worker has claimed are skipped, and a
worker claims only rows that have not changed since it read them.
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.errors import FaultKind, Invalid, InvalidSubmission, NotEnoughCredit, NotFound
from dispatcher.domain.messages import template
from dispatcher.domain.messages.edit import (
    IN_DOUBT,
    Cancel,
    Change,
    EditReport,
    NewText,
    Reschedule,
    Selection,
)
from dispatcher.domain.messages.edit_rules import (
    NO_CHANGE,
    EditResult,
    TextChanged,
    TooLate,
    Unchanged,
    WaitingMessage,
    WindowChanged,
    Withdrawn,
    change_text,
    change_window,
    withdraw,
)
from dispatcher.domain.messages.status import Place
from dispatcher.domain.spelling import name_choices
from dispatcher.service.accounts import accounts
from dispatcher.service.context import Context
from dispatcher.service.messages import search
from dispatcher.service.submissions.validate import measure_template
from dispatcher.store.accounts import ledger
from dispatcher.store.campaigns import names
from dispatcher.store.messages import edits
from dispatcher.store.messages.edits import EditSelection

_BATCH = 1000
_PAGE = 20_000


async def edit(ctx: Context, selection: Selection, change: Change, *, dry_run: bool = False) -> EditReport:
    """
    Change the selected messages that still wait, 1,000 at a time; with `dry_run` only count them.

    `campaigns.edits.edit` also changes the text of a selected campaign.
    Raises NotFound for a name in the selection that does not exist, and
    Invalid (InvalidSubmission for the text) for an impossible change; then
    nothing was changed. Raises NotEnoughCredit, with the number of messages
    changed so far, if the balance does not cover a new text.
    """
    resolved = await resolve(ctx, selection)
    await _check(ctx, resolved, change)
    return await apply(ctx, resolved, change, dry_run=dry_run)


async def apply(
    ctx: Context, resolved: EditSelection, change: Change, *, dry_run: bool = False
) -> EditReport:
    """Change the selected messages, as `edit` does, and return the counts."""
    edited = EditReport()
    async for among in _batches(ctx, resolved):
        work = partial(_edit_batch, ctx, resolved=resolved, change=change, among=among, dry_run=dry_run)
        try:
            done, wake_at = await ctx.database.transact(work)
        except _NotCovered:
            raise NotEnoughCredit(
                f"the balance does not cover the new text: {edited.changed:,} messages have it,"
                " the others keep the one they had"
            ) from None
        if wake_at is not None and not dry_run:
            ctx.lanes.wake(wake_at)
        edited = edited.plus(done)
    return edited


async def resolve(ctx: Context, selection: Selection) -> EditSelection:
    """Return a selection with ids instead of names. Raises NotFound, and Invalid for a bad phone number."""
    account, number = selection.account, selection.number
    named = (selection.message, selection.batch, selection.campaign)
    return EditSelection(
        account_id=account.id,
        only_open=all(name is None for name in named),
        message_id=await _message(ctx, selection),
        batch_id=await _batch(ctx, selection),
        campaign_id=await _campaign(ctx, selection),
        tier=selection.tier,
        statuses=selection.statuses,
        number=None if number is None else search.read_search_number(number, account),
        sender_id=await _sender(ctx, selection),
        due=selection.due,
        created=selection.created,
    )


class _NotCovered(Exception):
    """The balance does not cover a new text; rolls the transaction back."""


async def _check(ctx: Context, resolved: EditSelection, change: Change) -> None:
    """Raise Invalid for an impossible change, and for one end of a window that does not fit every message."""
    match change:
        case NewText(text=text):
            _, faults = measure_template(ctx, text)
            if template.variables(text):  # then each message has its own length
                faults = [fault for fault in faults if fault.kind is not FaultKind.TOO_LONG]
            if faults:
                raise InvalidSubmission(faults)
        case Reschedule(shift=None):
            change.check(ctx.now())
            if change.not_before is None or change.not_after is None:
                found = await apply(ctx, resolved, change, dry_run=True)
                for reason, count in found.unchanged.items():
                    if reason != NO_CHANGE:
                        raise Invalid(
                            f"nothing was changed: of {count:,} messages {reason}; give both ends, or a shift"
                        )


async def _batches(ctx: Context, resolved: EditSelection) -> AsyncIterator[list[int]]:
    after = 0
    while True:
        page = await ctx.database.single(
            partial(edits.select_ids, selection=resolved, after=after, limit=_PAGE)
        )
        for start in range(0, len(page), _BATCH):
            yield page[start : start + _BATCH]
        if len(page) < _PAGE:
            return
        after = page[-1]


async def _edit_batch(
    ctx: Context,
    connection: AsyncConnection,
    *,
    resolved: EditSelection,
    change: Change,
    among: Sequence[int],
    dry_run: bool,
) -> tuple[EditReport, datetime | None]:
    """Lock, decide and write one batch; return its counts, and when the clock must look at it."""
    found = await edits.read_waiting(
        connection, resolved, among, lock=not dry_run, with_variables=isinstance(change, NewText)
    )
    now = ctx.now()
    outcomes = [_decide(ctx, message, change, now) for message in found]
    if not dry_run:
        await _write(connection, resolved, change, outcomes, now=now)
    wakes = [at for o, m in zip(outcomes, found, strict=True) if (at := _wake(o, m, now)) is not None]
    gone = sorted(set(among) - {message.id for message in found})
    late = await edits.count_late(connection, gone) if gone else Counter[str]()
    return _count(late, outcomes), min(wakes, default=None)


def _decide(ctx: Context, message: WaitingMessage, change: Change, now: datetime) -> EditResult:
    match change:
        case Cancel():
            return withdraw(message)
        case Reschedule():
            return change_window(message, change, now)
        case NewText():
            settings = ctx.settings
            return change_text(
                message, change, max_segments=settings.max_segments, prices=settings.price_list
            )


async def _write(
    connection: AsyncConnection,
    resolved: EditSelection,
    change: Change,
    outcomes: Sequence[EditResult],
    *,
    now: datetime,
) -> None:
    """Write the decided edits, and the credits last. Raises _NotCovered."""
    gone = [o for o in outcomes if isinstance(o, Withdrawn)]
    if gone and isinstance(change, Cancel):
        await edits.cancel(connection, [o.id for o in gone], reason=change.reason, now=now)
        await ledger.refund(connection, [o.id for o in gone if o.refund])
    if moved := [o for o in outcomes if isinstance(o, WindowChanged)]:
        await edits.reschedule(connection, moved, now=now)
    if new := [o for o in outcomes if isinstance(o, TextChanged)]:
        await edits.change_text(connection, new, now=now)
        owed = Counter[int]()
        for outcome in new:
            owed[outcome.batch_id] -= outcome.extra
        if not await ledger.adjust(connection, resolved.account_id, owed):
            raise _NotCovered


def _count(late: Counter[str], outcomes: Sequence[EditResult]) -> EditReport:
    """Return the counts of a batch; `late` are those of its messages that no longer wait, by kind."""
    unchanged = Counter(o.reason for o in outcomes if isinstance(o, Unchanged))
    in_doubt = sum(isinstance(o, TooLate) for o in outcomes)
    late = late + Counter({IN_DOUBT: in_doubt})
    return EditReport(
        changed=len(outcomes) - in_doubt - unchanged.total(),
        too_late=late.total(),
        late=late,
        unchanged=unchanged,
        refunded=sum(o.refund for o in outcomes if isinstance(o, Withdrawn)),
        charged=sum(o.extra for o in outcomes if isinstance(o, TextChanged)),
    )


def _wake(outcome: EditResult, message: WaitingMessage, now: datetime) -> datetime | None:
    """Return when the clock must look at a changed message; now if it needs room in its lane."""
    match outcome:
        case WindowChanged():
            return outcome.wake_at or now
        case TextChanged() if message.place is Place.LANE:
            return now
    return None


async def _message(ctx: Context, selection: Selection) -> int | None:
    if selection.message is None:
        return None
    found = await search.message(ctx, selection.message)
    if found.account != selection.account.name:
        raise NotFound(f"account {selection.account.name!r} has no message {selection.message}")
    return found.id


async def _batch(ctx: Context, selection: Selection) -> int | None:
    if selection.batch is None:
        return None
    found = await search.batch(ctx, selection.batch)
    if found.account != selection.account.name:
        raise NotFound(f"account {selection.account.name!r} has no batch {selection.batch}")
    return found.id


async def _campaign(ctx: Context, selection: Selection) -> int | None:
    if (named := selection.campaign) is None:
        return None
    account = selection.account
    found = await ctx.database.single(lambda c: edits.find_campaign(c, account.id, named))
    if found is None:
        known = await ctx.database.single(lambda c: names.of_campaigns(c, account.id))
        raise NotFound(f"account {account.name!r} has no campaign {named!r} ({name_choices(named, known)})")
    return found


async def _sender(ctx: Context, selection: Selection) -> int | None:
    if (named := selection.sender) is None:
        return None
    return await accounts.find_sender(ctx, selection.account, named)
