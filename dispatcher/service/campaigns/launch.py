"""
The periodic task of campaigns: starts runs, makes their messages, moves windows after a pause, withdraws.

Each step is one bounded transaction that may be killed at any point and run in
several processes at once: a process locks the run it works on, and the others
skip it.
"""

import time
from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.campaigns.campaign import RUN_LEAD, CampaignState, RunState, due_runs
from dispatcher.domain.messages.window import Window
from dispatcher.service.campaigns.campaigns import withdraw_messages
from dispatcher.service.campaigns.expand import CHUNK, expand
from dispatcher.service.campaigns.plan import new_batch, timetable
from dispatcher.service.campaigns.text import change_late
from dispatcher.service.context import Context
from dispatcher.service.lane_depth import max_depth
from dispatcher.store.campaigns import audiences, campaigns, pauses, run_messages, runs
from dispatcher.store.campaigns.campaigns import CampaignRow
from dispatcher.store.campaigns.runs import OpenRun
from dispatcher.store.submissions import new_messages

_BATCH = 1000
_TICK = 0.8

_MISSED = "it was missed: no process could start it while its messages would have been valid"

log = structlog.get_logger()


async def launch(ctx: Context) -> int:
    """
    Do what campaigns need now, for at most 0.8 s, and return how many messages were made.

    The next call continues where this one stopped.
    """
    until = time.monotonic() + _TICK
    while await ctx.database.transact(lambda c: _start_next(ctx, c)) and time.monotonic() < until:
        pass
    open_runs = await ctx.database.single(runs.list_open)
    for run in open_runs:
        if run.has_late_messages and run.campaign is not CampaignState.CANCELLED:
            await change_late(ctx, run.id)
    await _withdraw_and_shift(ctx, open_runs, until=until)
    made = await _expand(ctx, open_runs, until=until)
    await ctx.database.transact(lambda c: _finish(c, [run.id for run in open_runs], ctx.now()))
    return made


async def _start_next(ctx: Context, connection: AsyncConnection) -> bool:
    """Start the due runs of one campaign, each once. Return False if no campaign has a due run."""
    now = ctx.now()
    campaign = await campaigns.lock_next(connection, until=now + RUN_LEAD)
    if campaign is None or campaign.next_due is None:
        return False
    terms = campaign.terms
    found = due_runs(terms.schedule, first=campaign.next_due, now=now, validity=terms.message_validity)
    for due_at in found.missed:
        await _start(connection, campaign, due_at, now, missed=_MISSED)
    for due_at in found.due:
        await _start(connection, campaign, due_at, now)
    await campaigns.set_state(connection, campaign.id, CampaignState.ACTIVE, next_due=found.next)
    await campaigns.finish(connection, [campaign.id])
    return True


async def _start(
    connection: AsyncConnection, campaign: CampaignRow, due_at: datetime, now: datetime, *, missed: str = ""
) -> None:
    """Write a run with its batch; a run that starts late is paced from now on."""
    audience = await audiences.by_id(connection, campaign.terms.audience_id)
    starts_at = max(due_at, now)
    run_id = await runs.insert(
        connection,
        campaign.id,
        due_at=due_at,
        starts_at=starts_at,
        groups=len(audience.zones),
        total=audience.recipients,
        now=now,
        missed=missed,
    )
    if run_id is None:
        return
    if missed:
        log.warning("run_missed", campaign_id=campaign.id, due_at=due_at.isoformat())
        return
    last = timetable(campaign.terms, audience, starts_at=starts_at).last()
    window = Window(starts_at, last + campaign.terms.message_validity)
    await new_messages.insert(connection, [new_batch(campaign, run_id, window)], now=now)
    log.info("run_started", campaign_id=campaign.id, run_id=run_id, recipients=audience.recipients)


async def _withdraw_and_shift(ctx: Context, open_runs: Sequence[OpenRun], *, until: float) -> None:
    """Withdraw the messages left of cancelled campaigns, and move the windows of resumed ones."""
    for run in open_runs:
        if run.campaign is CampaignState.CANCELLED:
            while await withdraw_messages(ctx, run.id) and time.monotonic() < until:
                pass
        elif run.is_shifting:
            while await _shift(ctx, run.id) == _BATCH and time.monotonic() < until:
                pass


async def _shift(ctx: Context, run_id: int) -> int:
    """Move up to 1,000 windows by the pause and return how many; the run continues when all have moved."""
    now = ctx.now()

    async def work(connection: AsyncConnection) -> int:
        run = await runs.lock(connection, run_id)
        if run is None or run.shift is None:
            return 0
        count, last = await run_messages.shift_windows(
            connection, run_id, after=run.shifted, by=run.shift, now=now, limit=_BATCH
        )
        is_over = count < _BATCH
        await pauses.record_shift(connection, run_id, left=None if is_over else run.shift, last=last)
        campaign = await campaigns.by_id(connection, run.campaign_id)
        if is_over and campaign.state is CampaignState.ACTIVE:
            await pauses.end(connection, run_id)
        return count

    count = await ctx.database.transact(work)
    ctx.lanes.wake(now)
    return count


async def _expand(ctx: Context, open_runs: Sequence[OpenRun], *, until: float) -> int:
    """Make messages, a chunk of each run in turn, until none is due, no more may wait, or time is up."""
    allowed: dict[int, int] = {}
    for run in open_runs:
        is_active = run.campaign is CampaignState.ACTIVE and not run.account_paused
        if is_active and run.state is RunState.EXPANDING:
            allowed[run.id] = await _allowance(ctx, run)
    made = 0
    while allowed and time.monotonic() < until:
        for run_id in list(allowed):
            count = await expand(ctx, run_id, limit=allowed[run_id]) if allowed[run_id] > 0 else 0
            made += count
            allowed[run_id] -= count
            if not count:
                del allowed[run_id]
    return made


async def _allowance(ctx: Context, run: OpenRun) -> int:
    """
    Return how many more messages of a run may be made now.

    0 while as many of its messages are due as its lane holds: making more
    would only take CPU and Postgres away from sending.
    """
    enough = max(CHUNK, max_depth(ctx, run.tier))
    if (
        await ctx.database.single(lambda c: run_messages.count_due(c, run, now=ctx.now(), most=enough))
        >= enough
    ):
        return 0
    most = ctx.settings.campaign_ahead
    return most - await ctx.database.single(lambda c: run_messages.count_open(c, run.id, most=most))


async def _finish(connection: AsyncConnection, run_ids: Sequence[int], now: datetime) -> None:
    """End the runs without waiting messages, and the campaigns without further runs."""
    await campaigns.finish(connection, await runs.finish(connection, run_ids, now=now))
