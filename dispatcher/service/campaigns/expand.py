"""
Expansion of runs: makes messages of recipients, a chunk at a time, each in one transaction with its charge.

It goes on until all recipients are done, the maximum cost ends the run, the
balance does not suffice and the campaign is paused, or a daily cap makes the run wait.

A crash at any point neither repeats nor leaves out a recipient, because the
progress of a run is written in the same transaction as its messages.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import NamedTuple

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.accounts.account import Account, Caller
from dispatcher.domain.campaigns.campaign import CampaignState, RunState
from dispatcher.domain.campaigns.timetable import PlannedRelease
from dispatcher.domain.errors import LimitExceeded
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.messages.template import MissingVariables, render
from dispatcher.domain.messages.text import is_blank
from dispatcher.domain.messages.window import Window
from dispatcher.domain.numbers.msisdn import Msisdn
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts.credentials import MANAGE
from dispatcher.service.campaigns.campaigns import pause_locked
from dispatcher.service.campaigns.plan import new_batch, timetable
from dispatcher.service.context import Context
from dispatcher.service.lane_depth import LaneRoom
from dispatcher.service.routing import routes
from dispatcher.service.submissions import quotas, validate
from dispatcher.service.submissions.new_messages import MessageBuilder
from dispatcher.service.submissions.validate import measure_text
from dispatcher.store.accounts import accounts, ledger, opt_outs, senders
from dispatcher.store.accounts.ledger import Charge
from dispatcher.store.campaigns import audiences, campaigns, runs
from dispatcher.store.campaigns import recipients as recipient_rows
from dispatcher.store.campaigns.audiences import Audience, Recipient
from dispatcher.store.campaigns.campaigns import CampaignRow
from dispatcher.store.campaigns.runs import Run, RunProgress
from dispatcher.store.clock import sweeps
from dispatcher.store.submissions import new_messages
from dispatcher.store.submissions.new_messages import NewMessage, OwnContent

CHUNK = 1000

HORIZON = timedelta(minutes=5)
"""How long before its release a recipient becomes a message."""

_NOT_IN_LANE = (Place.HELD, Place.READY)

log = structlog.get_logger()


class _NotCovered(Exception):
    """The balance does not cover the chunk; rolls its transaction back."""

    def __init__(self, campaign_id: int, recipients: int, cost: int) -> None:
        self.campaign_id, self.recipients, self.cost = campaign_id, recipients, cost


@dataclass(frozen=True, slots=True)
class ExpandedChunk:
    """The messages of a chunk, with their numbers."""

    tier: Tier
    messages: Sequence[tuple[int, NewMessage]]


async def expand(ctx: Context, run_id: int, *, limit: int) -> int:
    """
    Make messages of the recipients of a run that are due soon and return how many, at most `limit`.

    Makes none while the campaign is not active, nothing is due, or another
    process has locked the run. If the balance does not cover them, the
    campaign is paused; if a daily cap is reached, the run waits for the next
    day.
    """
    await routes.ensure_table(ctx)
    try:
        made = await ctx.database.transact(lambda c: _expand(ctx, c, run_id, limit))
    except _NotCovered as error:
        not_covered = error
        await ctx.database.transact(lambda c: _pause(ctx, c, not_covered))
        return 0
    except LimitExceeded as error:
        reason = f"{error}; it continues when the next day begins, in UTC"
        await ctx.database.single(lambda c: runs.set_reason(c, run_id, reason))
        return 0
    if made is None:
        return 0
    _publish(ctx, made)
    return len(made.messages)


class _DueRecipient(NamedTuple):
    """A recipient that is due soon, and its release; None if its allowed hours never open."""

    recipient: Recipient
    release: PlannedRelease | None


async def _expand(ctx: Context, connection: AsyncConnection, run_id: int, limit: int) -> ExpandedChunk | None:
    run = await runs.lock(connection, run_id)
    if run is None or run.state is not RunState.EXPANDING or run.shift is not None:
        return None
    campaign = await campaigns.by_id(connection, run.campaign_id)
    if campaign.state is not CampaignState.ACTIVE:
        return None
    audience = await audiences.by_id(connection, campaign.terms.audience_id)
    due = await _due_recipients(ctx, connection, run, campaign, audience, min(limit, CHUNK))
    if not due:
        return None
    account = await accounts.by_id(connection, campaign.account_id)
    caller = Caller(account, MANAGE)
    made = await _new_messages(ctx, connection, campaign, caller, due)
    kept = _affordable(made, campaign.terms.max_cost, run.charged)
    messages = made[:kept]
    ids = await _write(ctx, connection, run, campaign, messages)
    to_send = sum(message.place is not None for message in messages)
    cost = sum(message.charged for message in messages)
    await _advance(ctx, connection, run, [d.recipient for d in due[:kept]], to_send=to_send, cost=cost)
    if kept < len(made):
        reason = f"its maximum cost of {campaign.terms.max_cost} would have been exceeded"
        await runs.mark_expanded(connection, run.id, now=ctx.now(), reason=reason)
    await quotas.count(ctx, connection, caller, to_send)
    charges = [Charge(account.id, run.batch_id or 0, cost)] if cost else []
    if not await ledger.charge(connection, charges, today=quotas.today(ctx.now())):
        raise _NotCovered(campaign.id, to_send, cost)
    return ExpandedChunk(campaign.terms.tier, list(zip(ids, messages, strict=True)))


async def _due_recipients(
    ctx: Context, connection: AsyncConnection, run: Run, campaign: CampaignRow, audience: Audience, most: int
) -> list[_DueRecipient]:
    """Return recipients that are released soon, a share of each group of zones."""
    plan = timetable(campaign.terms, audience, starts_at=run.starts_at, pauses=run.pauses)
    before = ctx.now() + HORIZON
    due = [plan.released_before(group, before) - rank for group, rank in enumerate(run.zone_ranks)]
    share = min(1.0, most / max(sum(due), 1))
    wanted: list[tuple[int, int, int]] = []
    for group, count in enumerate(due):
        taken = min(count, int(count * share) + 1, most)
        if taken > 0:
            wanted.append((group, run.zone_positions[group], taken))
            most -= taken
    if not wanted:
        return []
    ranks = list(run.zone_ranks)
    found: list[_DueRecipient] = []
    for recipient in await recipient_rows.read_groups(connection, audience.id, wanted):
        found.append(_DueRecipient(recipient, plan.release(recipient.zone, ranks[recipient.zone])))
        ranks[recipient.zone] += 1
    return found


async def _new_messages(
    ctx: Context,
    connection: AsyncConnection,
    campaign: CampaignRow,
    caller: Caller,
    due: Sequence[_DueRecipient],
) -> list[NewMessage]:
    """Return new messages with their texts and windows; those that cannot be sent have a final status."""
    now, terms = ctx.now(), campaign.terms
    keys = [(caller.account.id, terms.sender_id, one.recipient.number) for one in due]
    due_now = sum(one.release is not None and one.release.at <= now for one in due)
    builder = MessageBuilder(
        ctx=ctx,
        caller=caller,
        tier=terms.tier,
        window=Window(now, now + terms.message_validity),
        now=now,
        sender_id=terms.sender_id,
        sender=await senders.name_of(connection, terms.sender_id),
        opted_out=await opt_outs.find_opted_out(connection, keys),
        to_lane=LaneRoom(ctx, await sweeps.lane_depths(connection, {terms.tier})).take(terms.tier, due_now),
    )
    texts: dict[str, int | tuple[Status, str]] = {}
    return [_new_message(builder, terms.text, terms.message_validity, one, texts) for one in due]


def _new_message(
    builder: MessageBuilder,
    template: str,
    lasts: timedelta,
    due: _DueRecipient,
    texts: dict[str, int | tuple[Status, str]],
) -> NewMessage:
    recipient, release = due
    starts = release.at if release is not None else builder.now
    window = Window(starts, starts + lasts)
    text, segments, ended = _text(builder.ctx, template, recipient, texts)
    if release is None:
        ended = Status.EXPIRED, "allowed hours never open in its time zones"
    elif window.not_after <= builder.now:
        ended = Status.EXPIRED, "its window was over when its turn came"
    message = replace(builder, window=window).build(
        validate.ValidRecipient(recipient.number_as_given, Msisdn(recipient.number, recipient.country)),
        segments,
        ended=ended,
    )
    closes_at = release.closes_at if release is not None else None
    return replace(message, own=OwnContent(text, segments, window), closes_at=closes_at)


def _text(
    ctx: Context, template: str, recipient: Recipient, texts: dict[str, int | tuple[Status, str]]
) -> tuple[str, int, tuple[Status, str] | None]:
    """Return the recipient's text and its segments, or why it cannot be sent; `texts` caches the segments."""
    try:
        text = render(template, recipient.variables)
    except MissingVariables as error:
        return template, 0, (Status.INVALID_TEXT, str(error))
    if text not in texts:
        texts[text] = _segments(ctx, text)
    found = texts[text]
    return (text, found, None) if isinstance(found, int) else (text, 0, found)


def _segments(ctx: Context, text: str) -> int | tuple[Status, str]:
    if is_blank(text):
        return Status.NO_TEXT, "its text is empty"
    _, segments, faults = measure_text(ctx, text)
    if faults:
        return Status.INVALID_TEXT, f"its text {faults[0].kind.value}: {faults[0].advised_value}"
    return segments


def _affordable(messages: Sequence[NewMessage], max_cost: int | None, spent: int) -> int:
    """Return how many of these, in their order, a run may have without exceeding its maximum cost."""
    if max_cost is not None:
        for index, message in enumerate(messages):
            spent += message.charged
            if spent > max_cost:
                return index
    return len(messages)


async def _write(
    ctx: Context, connection: AsyncConnection, run: Run, campaign: CampaignRow, messages: Sequence[NewMessage]
) -> Sequence[int]:
    assert run.batch_id is not None, "an open run has its batch"
    batch = new_batch(
        campaign, run.id, Window(run.starts_at, run.starts_at + campaign.terms.message_validity)
    )
    written = await new_messages.insert_messages(
        connection, {run.batch_id: replace(batch, messages=messages)}, now=ctx.now()
    )
    return written[run.batch_id]


async def _advance(
    ctx: Context,
    connection: AsyncConnection,
    run: Run,
    recipients: Sequence[Recipient],
    *,
    to_send: int,
    cost: int,
) -> None:
    ranks, positions = list(run.zone_ranks), list(run.zone_positions)
    for recipient in recipients:
        ranks[recipient.zone] += 1
        positions[recipient.zone] = recipient.position
    progress = RunProgress(ranks, positions, to_send, len(recipients) - to_send, cost)
    await runs.advance(connection, run.id, progress)
    if run.position + len(recipients) == run.total:
        await runs.mark_expanded(connection, run.id, now=ctx.now())


async def _pause(ctx: Context, connection: AsyncConnection, chunk: _NotCovered) -> None:
    """Pause a campaign that lacks credits, unless it or the balance has changed meanwhile."""
    campaign = await campaigns.by_id(connection, chunk.campaign_id, lock=True)
    if campaign.state is not CampaignState.ACTIVE:
        return
    account: Account = await accounts.by_id(connection, campaign.account_id)
    missing = chunk.cost - account.balance
    if missing <= 0:
        return
    reason = (
        f"the next {chunk.recipients} messages cost {chunk.cost} credits, the balance is {account.balance}:"
        f" {missing} are missing; top up and resume"
    )
    await pause_locked(connection, campaign, reason=reason, now=ctx.now())
    log.warning("campaign_paused_without_credits", campaign_id=campaign.id, missing=missing)


def _publish(ctx: Context, made: ExpandedChunk) -> None:
    """Publish the ids that are in their lane, and wake the clock for the others."""
    in_lane = [id_ for id_, message in made.messages if message.place is Place.LANE]
    if in_lane:
        ctx.lanes.publish(made.tier, in_lane)
    waits = [m.own.window.not_before for _, m in made.messages if m.place in _NOT_IN_LANE and m.own]
    if waits:
        ctx.lanes.wake(min(waits))
