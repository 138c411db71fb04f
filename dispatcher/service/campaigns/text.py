"""
Another text for a campaign: for its messages that wait, its recipients without a message, and its later runs.

The campaign's text is written first, while its open runs are locked: no chunk
is being expanded then, and every later one reads the new text. What is
expanded is changed after that, a thousand messages at a time, up to the last
message that existed. So each recipient is counted once.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.campaigns.campaign import CampaignState, RunState
from dispatcher.domain.errors import Conflict, FieldError, Invalid, InvalidFields, NotEnoughCredit
from dispatcher.domain.messages.edit import EditReport, NewText, late_kind
from dispatcher.service.campaigns.campaigns import pause_locked
from dispatcher.service.campaigns.plan import text_faults
from dispatcher.service.campaigns.text_batch import BatchEdit, NotCovered, edit_batch
from dispatcher.service.context import Context
from dispatcher.store.accounts import accounts
from dispatcher.store.campaigns import audiences, campaigns, runs, texts
from dispatcher.store.campaigns.campaigns import CampaignRow
from dispatcher.store.campaigns.runs import Run

__all__ = ["change", "change_late"]

_BATCH = 1000

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Position:
    """A campaign with its open runs at one moment, and the last message that existed then."""

    campaign: CampaignRow
    recipients: int
    runs: Sequence[Run]
    last_id: int


async def change(ctx: Context, campaign_id: int, new: NewText, *, dry_run: bool = False) -> EditReport:
    """
    Give a campaign another text and return what became of each recipient; with `dry_run` only count.

    A message that cannot have the new text, because it would be empty or too
    long for its recipient, is withdrawn and refunded. A message that a worker
    holds is too late; if it comes back unsent, `change_late` changes it.

    Raises, before anything has changed, Conflict for a campaign that has
    ended, InvalidFields for a text that its audience cannot fill, Invalid if
    a run would exceed its maximum cost, and NotEnoughCredit. If the credits
    are spent elsewhere meanwhile, it pauses the campaign and raises
    NotEnoughCredit; if another text is given meanwhile, it raises Conflict.
    """
    before = await ctx.database.transact(lambda c: _lock(ctx, c, campaign_id, new))
    counted = await _edit(ctx, before, new, write=False)
    if dry_run:
        return counted
    await _check_balance(ctx, before.campaign, counted)

    async def write(connection: AsyncConnection) -> _Position:
        position = await _lock(ctx, connection, campaign_id, new)
        await texts.set_text(connection, campaign_id, new.text)
        return position

    position = await ctx.database.transact(write)
    log.info("campaign_text_changed", campaign_id=campaign_id)
    return await _edit(ctx, position, new, write=True)


async def change_late(ctx: Context, run_id: int) -> None:
    """Give the new text to messages that a worker held when it was changed, and that came back unsent."""

    async def work(connection: AsyncConnection) -> BatchEdit | None:
        run = await runs.lock(connection, run_id)
        if run is None:
            return None
        campaign = await campaigns.by_id(connection, run.campaign_id)
        new = NewText(campaign.terms.text)
        late = await texts.late_messages(connection, run_id)
        done = await edit_batch(ctx, connection, campaign, run, new, late, write=True)
        still_open = await texts.open_ids(connection, late)
        await texts.set_late_messages(connection, run_id, sorted(set(still_open) - set(done.decided)))
        return done

    try:
        done = await ctx.database.transact(work)
    except NotCovered as error:
        await _pause(ctx, error.campaign_id)
        return
    if done is not None and done.report.changed:
        ctx.lanes.wake(ctx.now())


async def _lock(ctx: Context, connection: AsyncConnection, campaign_id: int, new: NewText) -> _Position:
    """Lock a campaign and its open runs. Raises Conflict if it has ended, and InvalidFields for the text."""
    campaign = await campaigns.by_id(connection, campaign_id, lock=True)
    if campaign.state.is_final:
        raise Conflict(
            f"campaign {campaign.terms.name!r} is {campaign.state}: its text cannot be changed any more"
        )
    audience = await audiences.by_id(connection, campaign.terms.audience_id)
    if faults := text_faults(ctx, new.text, audience):
        raise InvalidFields([FieldError("text", sentence) for sentence in faults])
    open_runs = await runs.lock_open(connection, campaign_id)
    return _Position(campaign, audience.recipients, open_runs, await texts.last_id(connection))


async def _edit(ctx: Context, position: _Position, new: NewText, *, write: bool) -> EditReport:
    """Change the messages that wait, or only count them; count all other recipients."""
    total = EditReport(next_run=position.campaign.next_due)
    if not position.runs:
        return replace(total, to_come=position.recipients)
    for run in position.runs:
        edited = await _edit_run(ctx, position, run, new, write=write)
        if not write:
            _check_max_cost(position.campaign, run, edited.report)
        rest = await _count_rest(ctx, run, position.last_id, edited.decided, write=write)
        total = total.plus(edited.report).plus(rest).plus(_without_message(run))
    return total


async def _edit_run(ctx: Context, position: _Position, run: Run, new: NewText, *, write: bool) -> BatchEdit:
    campaign, after = position.campaign, 0

    async def work(connection: AsyncConnection) -> tuple[BatchEdit, Sequence[int]]:
        if write:
            await _require_text(connection, campaign, new)
        ids = await texts.waiting_ids(connection, run.id, after=after, until=position.last_id, limit=_BATCH)
        return await edit_batch(ctx, connection, campaign, run, new, ids, write=write), ids

    total = BatchEdit(EditReport(), ())
    while True:
        try:
            done, ids = await ctx.database.transact(work)
        except NotCovered:
            await _pause(ctx, campaign.id)
            raise NotEnoughCredit(
                f"the balance does not cover the new text any more, so the campaign was paused:"
                f" {total.report.changed:,} messages have it; top up, change the text again, and resume"
            ) from None
        total = total.plus(done)
        if write and done.report.changed:
            ctx.lanes.wake(ctx.now())
        if len(ids) < _BATCH:
            return total
        after = ids[-1]


async def _require_text(connection: AsyncConnection, campaign: CampaignRow, new: NewText) -> None:
    """Lock the open runs, and raise Conflict if a later edit has given the campaign another text."""
    await runs.lock_open(connection, campaign.id)
    current = await campaigns.by_id(connection, campaign.id)
    if current.terms.text != new.text:
        raise Conflict(
            f"campaign {campaign.terms.name!r} was given another text meanwhile, which replaces this one"
        )


async def _count_rest(
    ctx: Context, run: Run, last_id: int, decided: Sequence[int], *, write: bool
) -> EditReport:
    """Count the messages that were not decided, and remember those that may come back from a worker."""
    assert run.batch_id is not None, "an open run has its batch"
    batch_id = run.batch_id

    async def work(connection: AsyncConnection) -> Counter[str]:
        rest = await texts.count_rest(connection, batch_id, until=last_id, without=decided)
        held = [message for count in rest for message in count.open_ids]
        if write and held:
            await texts.add_late_messages(connection, run.id, held)
        kinds = Counter[str]()
        for count in rest:
            kinds[late_kind(count.status)] += count.messages
        return kinds

    late = await ctx.database.transact(work)
    return EditReport(too_late=late.total(), late=late)


def _without_message(run: Run) -> EditReport:
    """Return the counts of the recipients that have no message: they get the new text, or none at all."""
    left = run.total - run.position
    if run.state is RunState.EXPANDING:
        return EditReport(to_come=left)
    return EditReport(left_out={run.reason: left}) if left else EditReport()


def _check_max_cost(campaign: CampaignRow, run: Run, edited: EditReport) -> None:
    most, cost = campaign.terms.max_cost, run.charged + edited.charged
    if most is not None and edited.charged > 0 and cost > most:
        raise Invalid(
            f"nothing was changed: with the new text the messages that exist would cost {cost:,} credits,"
            f" and the campaign's maximum is {most:,} a run"
        )


async def _check_balance(ctx: Context, campaign: CampaignRow, counted: EditReport) -> None:
    account = await ctx.database.single(lambda c: accounts.by_id(c, campaign.account_id))
    if counted.charged > account.balance:
        raise NotEnoughCredit(
            f"nothing was changed: the new text costs {counted.charged:,} credits more for the"
            f" {counted.changed:,} messages that wait, and the balance is {account.balance:,}"
        )


async def _pause(ctx: Context, campaign_id: int) -> None:
    async def work(connection: AsyncConnection) -> None:
        campaign = await campaigns.by_id(connection, campaign_id, lock=True)
        if campaign.state is CampaignState.ACTIVE:
            reason = "the balance does not cover its new text; top up, change the text again, and resume"
            await pause_locked(connection, campaign, reason=reason, now=ctx.now())

    await ctx.database.transact(work)
