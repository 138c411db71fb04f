"""
Recipients of a run become messages: a chunk at a time, each in one transaction with its charge and its place.

A crash anywhere repeats nothing and leaves out nothing, for how far a run
has come is written with its messages.
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
from dispatcher.store.accounts import accounts, ledger, opt_outs
from dispatcher.store.accounts.ledger import Charge
from dispatcher.store.campaigns import audiences, campaigns, runs
from dispatcher.store.campaigns import recipients as rosters
from dispatcher.store.campaigns.audiences import Audience, Recipient
from dispatcher.store.campaigns.campaigns import CampaignRow
from dispatcher.store.campaigns.runs import Run, RunProgress
from dispatcher.store.clock import sweeps
from dispatcher.store.submissions import new_messages
from dispatcher.store.submissions.new_messages import NewMessage, OwnContent

CHUNK = 1000

HORIZON = timedelta(minutes=5)
"""How long before it is released a recipient becomes a message."""

log = structlog.get_logger()


class _NotCovered(Exception):
    """Rolls the chunk back: the balance does not cover what it costs."""

    def __init__(self, campaign_id: int, recipients: int, cost: int) -> None:
        self.campaign_id, self.recipients, self.cost = campaign_id, recipients, cost


@dataclass(frozen=True, slots=True)
class ExpandedChunk:
    """The messages a chunk became, with their numbers."""

    tier: Tier
    messages: Sequence[tuple[int, NewMessage]]


async def expand(ctx: Context, run_id: int, *, room: int) -> int:
    """
    Make messages of some recipients of a run that are due soon, `room` at most; give how many.

    None are made while the campaign is not active, nothing is due, or
    another has the run. A balance that does not cover them pauses the
    campaign; a daily cap lets the run wait for the next day.
    """
    await routes.ensure_table(ctx)
    try:
        made = await ctx.database.transact(lambda c: _expand(ctx, c, run_id, room))
    except _NotCovered as error:
        short = error
        await ctx.database.transact(lambda c: _pause(ctx, c, short))
        return 0
    except LimitExceeded as error:
        reason = f"{error}; it goes on when the next day begins, in UTC"
        await ctx.database.single(lambda c: runs.set_reason(c, run_id, reason))
        return 0
    if made is None:
        return 0
    _publish(ctx, made)
    return len(made.messages)


class _DueRecipient(NamedTuple):
    """A recipient whose turn has come, and when it is released; None if its hours never open."""

    recipient: Recipient
    release: PlannedRelease | None


async def _expand(ctx: Context, connection: AsyncConnection, run_id: int, room: int) -> ExpandedChunk | None:
    run = await runs.lock(connection, run_id)
    if run is None or run.state is not RunState.EXPANDING or run.shift is not None:
        return None
    campaign = await campaigns.by_id(connection, run.campaign_id)
    if campaign.state is not CampaignState.ACTIVE:
        return None
    audience = await audiences.by_id(connection, campaign.terms.audience_id)
    turns = await _due_recipients(ctx, connection, run, campaign, audience, min(room, CHUNK))
    if not turns:
        return None
    account = await accounts.by_id(connection, campaign.account_id)
    caller = Caller(account, MANAGE)
    born = await _new_messages(ctx, connection, campaign, caller, turns)
    kept = _affordable(born, campaign.terms.max_cost, run.charged)
    messages = born[:kept]
    ids = await _write(ctx, connection, run, campaign, messages)
    alive = sum(message.place is not None for message in messages)
    cost = sum(message.charged for message in messages)
    await _advance(ctx, connection, run, [t.recipient for t in turns[:kept]], alive=alive, cost=cost)
    if kept < len(born):
        reason = f"its maximum cost of {campaign.terms.max_cost} would have been exceeded"
        await runs.mark_expanded(connection, run.id, now=ctx.now(), reason=reason)
    await quotas.count(ctx, connection, caller, alive)
    charges = [Charge(account.id, run.batch_id or 0, cost)] if cost else []
    if not await ledger.charge(connection, charges, today=quotas.today(ctx.now())):
        raise _NotCovered(campaign.id, alive, cost)
    return ExpandedChunk(campaign.terms.tier, list(zip(ids, messages, strict=True)))


async def _due_recipients(
    ctx: Context, connection: AsyncConnection, run: Run, campaign: CampaignRow, audience: Audience, most: int
) -> list[_DueRecipient]:
    """Read the recipients that are released soon, some of each group of zones."""
    plan = timetable(campaign.terms, audience, starts_at=run.starts_at, pauses=run.pauses)
    before = ctx.now() + HORIZON
    due = [plan.released_before(group, before) - rank for group, rank in enumerate(run.zone_ranks)]
    share = min(1.0, most / max(sum(due), 1))
    wanted: list[tuple[int, int, int]] = []
    for group, count in enumerate(due):
        some = min(count, int(count * share) + 1, most)
        if some > 0:
            wanted.append((group, run.zone_positions[group], some))
            most -= some
    if not wanted:
        return []
    ranks = list(run.zone_ranks)
    turns: list[_DueRecipient] = []
    for recipient in await rosters.read_groups(connection, audience.id, wanted):
        turns.append(_DueRecipient(recipient, plan.release(recipient.zone, ranks[recipient.zone])))
        ranks[recipient.zone] += 1
    return turns


async def _new_messages(
    ctx: Context,
    connection: AsyncConnection,
    campaign: CampaignRow,
    caller: Caller,
    turns: Sequence[_DueRecipient],
) -> list[NewMessage]:
    """Make the messages, each with its text and window; those that cannot be sent are born final."""
    now, terms = ctx.now(), campaign.terms
    asked = [(caller.account.id, terms.sender_id, turn.recipient.number) for turn in turns]
    due = sum(turn.release is not None and turn.release.at <= now for turn in turns)
    builder = MessageBuilder(
        ctx=ctx,
        caller=caller,
        tier=terms.tier,
        window=Window(now, now + terms.lasts),
        now=now,
        sender_id=terms.sender_id,
        sender=await accounts.sender_name(connection, terms.sender_id),
        opted_out=await opt_outs.find_opted_out(connection, asked),
        to_lane=LaneRoom(ctx, await sweeps.lane_depths(connection, {terms.tier})).take(terms.tier, due),
    )
    texts: dict[str, int | tuple[Status, str]] = {}
    return [_new_message(builder, terms.text, terms.lasts, turn, texts) for turn in turns]


def _new_message(
    builder: MessageBuilder,
    template: str,
    lasts: timedelta,
    turn: _DueRecipient,
    texts: dict[str, int | tuple[Status, str]],
) -> NewMessage:
    recipient, release = turn
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
    """Return the recipient's text and its segments, counted once for each text; or why it cannot be sent."""
    try:
        text = render(template, recipient.variables)
    except MissingVariables as error:
        return template, 0, (Status.INVALID_TEXT, str(error))
    if text not in texts:
        texts[text] = _segments(ctx, text)
    found = texts[text]
    return (text, found, None) if isinstance(found, int) else (text, 0, found)


def _segments(ctx: Context, text: str) -> int | tuple[Status, str]:
    if not text.strip():
        return Status.NO_TEXT, "its text is empty"
    text, segments, faults = measure_text(ctx, text)
    return (
        (Status.INVALID_TEXT, f"its text {faults[0].kind.value}: {faults[0].value}") if faults else segments
    )


def _affordable(born: Sequence[NewMessage], max_cost: int | None, spent: int) -> int:
    """Count how many of these, in their order, a run may have without exceeding its maximum cost."""
    if max_cost is not None:
        for index, message in enumerate(born):
            spent += message.charged
            if spent > max_cost:
                return index
    return len(born)


async def _write(
    ctx: Context, connection: AsyncConnection, run: Run, campaign: CampaignRow, messages: Sequence[NewMessage]
) -> Sequence[int]:
    assert run.batch_id is not None, "an open run has its batch"
    batch = new_batch(campaign, run.id, Window(run.starts_at, run.starts_at + campaign.terms.lasts))
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
    alive: int,
    cost: int,
) -> None:
    ranks, positions = list(run.zone_ranks), list(run.zone_positions)
    for recipient in recipients:
        ranks[recipient.zone] += 1
        positions[recipient.zone] = recipient.position
    progress = RunProgress(ranks, positions, alive, len(recipients) - alive, cost)
    await runs.advance(connection, run.id, progress)
    if run.position + len(recipients) == run.total:
        await runs.mark_expanded(connection, run.id, now=ctx.now())


async def _pause(ctx: Context, connection: AsyncConnection, short: _NotCovered) -> None:
    """Pause a campaign for want of credits, unless somebody else has changed it meanwhile."""
    campaign = await campaigns.by_id(connection, short.campaign_id, lock=True)
    if campaign.state is not CampaignState.ACTIVE:
        return
    account: Account = await accounts.by_id(connection, campaign.account_id)
    missing = short.cost - account.balance
    if missing <= 0:
        return
    reason = (
        f"the next {short.recipients} messages cost {short.cost} credits, the balance is {account.balance}:"
        f" {missing} are missing; top up and resume"
    )
    await pause_locked(connection, campaign, reason=reason, now=ctx.now())
    log.warning("campaign_paused_without_credits", campaign_id=campaign.id, missing=missing)


def _publish(ctx: Context, made: ExpandedChunk) -> None:
    """Put what is in its lane there, and tell the clock of the others; it finds what is lost."""
    in_lane = [id_ for id_, message in made.messages if message.place is Place.LANE]
    if in_lane:
        ctx.lanes.publish(made.tier, in_lane)
    waits = [m.own.window.not_before for _, m in made.messages if m.place in _NOT_IN_LANE and m.own]
    if waits:
        ctx.lanes.wake(min(waits))


_NOT_IN_LANE = (Place.HELD, Place.READY)
