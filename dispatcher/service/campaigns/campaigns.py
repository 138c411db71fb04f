"""Campaigns: made as drafts, started, paused, resumed, cancelled. `service.launch` sends what is active."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.accounts.account import Account
from dispatcher.domain.campaigns.campaign import CAMPAIGN_TRANSITIONS, CampaignPlan, CampaignState
from dispatcher.domain.campaigns.recurrence import RunOnce, next_due
from dispatcher.domain.errors import AlreadyExists, Conflict, NotFound
from dispatcher.domain.messages.status import CANCELLED, Status
from dispatcher.service.campaigns.plan import validate_plan
from dispatcher.service.campaigns.progress import CampaignReport, report
from dispatcher.service.context import Context
from dispatcher.store.accounts import ledger
from dispatcher.store.campaigns import campaigns, run_messages, runs
from dispatcher.store.campaigns.campaigns import CampaignRow
from dispatcher.store.campaigns.runs import Run
from dispatcher.store.messages import edits

__all__ = [
    "CampaignPlan",
    "CampaignReport",
    "CampaignRow",
    "CancelResult",
    "cancel",
    "change",
    "create",
    "find",
    "pause_locked",
    "page",
    "pause",
    "resume",
    "show",
    "start",
    "withdraw_messages",
]

_CANCELLED = "its campaign was cancelled"
_BATCH = 1000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CancelResult:
    """What came of a cancellation: messages taken back, and those that are out, or in a worker's hands."""

    campaign: CampaignRow
    withdrawn: int
    out: int


async def create(ctx: Context, account: Account, plan: CampaignPlan) -> CampaignRow:
    """Keep a campaign as a draft. Raises InvalidPlan with all its faults, AlreadyExists for a name taken."""
    now = ctx.now()

    async def work(connection: AsyncConnection) -> CampaignRow:
        terms = await validate_plan(ctx, connection, account, plan, now=now)
        made = await campaigns.insert(connection, account.id, terms, public_id=uuid4(), now=now)
        return _require_free_name(made, account, plan)

    return await ctx.database.transact(work)


async def change(ctx: Context, account: Account, public_id: str, plan: CampaignPlan) -> CampaignRow:
    """Give a draft another plan, whole. Raises what `create` does, NotFound, Conflict for no draft."""
    now = ctx.now()

    async def work(connection: AsyncConnection, campaign: CampaignRow) -> CampaignRow:
        if campaign.state is not CampaignState.DRAFT:
            raise Conflict(
                f"campaign {campaign.terms.name!r} is {campaign.state}; only a draft can be changed"
            )
        terms = await validate_plan(ctx, connection, account, plan, now=now)
        return _require_free_name(await campaigns.change(connection, campaign.id, terms), account, plan)

    return await _with_locked(ctx, account, public_id, work)


async def find(ctx: Context, account: Account, public_id: str) -> CampaignRow:
    """Find a campaign by its public id. Raises NotFound."""
    return await ctx.database.transact(lambda c: _find(c, account, public_id))


async def page(ctx: Context, account: Account, *, after: int = 0, limit: int = 100) -> list[CampaignRow]:
    """List an account's campaigns, the oldest first, after the one with the number `after`."""
    return await ctx.database.transact(lambda c: campaigns.page(c, account.id, after=after, limit=limit))


async def show(
    ctx: Context, account: Account, public_id: str, *, before: datetime | None = None, limit: int = 10
) -> CampaignReport:
    """
    Tell how far a campaign and its latest runs have come, and when each will be through.

    `before` shows the runs due before then. Raises NotFound.
    """
    campaign = await find(ctx, account, public_id)
    return await report(ctx, campaign, before=before, limit=limit)


async def start(ctx: Context, account: Account, public_id: str) -> CampaignRow:
    """Let a draft run; once in the past means now. Raises NotFound, Conflict for no draft or no run left."""
    now = ctx.now()

    async def work(connection: AsyncConnection, campaign: CampaignRow) -> CampaignRow:
        _require_transition(campaign, CampaignState.DRAFT, CampaignState.ACTIVE)
        schedule = campaign.terms.schedule
        due = max(schedule.at, now) if isinstance(schedule, RunOnce) else next_due(schedule, after=now)
        if due is None:
            raise Conflict(f"campaign {campaign.terms.name!r} has no run to come; change its days")
        await campaigns.set_state(connection, campaign.id, CampaignState.ACTIVE, next_due=due)
        return await campaigns.by_id(connection, campaign.id)

    return await _with_locked(ctx, account, public_id, work)


async def pause(ctx: Context, account: Account, public_id: str, *, reason: str = "") -> CampaignRow:
    """
    Stop a campaign where it is. Raises NotFound, Conflict for one that is not active.

    Workers claim nothing of it any more; what they are sending goes on. Nothing of it expires meanwhile.
    """
    now = ctx.now()

    async def work(connection: AsyncConnection, campaign: CampaignRow) -> CampaignRow:
        _require_transition(campaign, CampaignState.ACTIVE, CampaignState.PAUSED)
        await pause_locked(connection, campaign, reason=reason, now=now)
        return await campaigns.by_id(connection, campaign.id)

    return await _with_locked(ctx, account, public_id, work)


async def pause_locked(
    connection: AsyncConnection, campaign: CampaignRow, *, reason: str, now: datetime
) -> None:
    """Pause a locked, active campaign, when whoever expands a run of it has ended his chunk."""
    await runs.lock_open(connection, campaign.id)
    await runs.pause(connection, campaign.id)
    await campaigns.set_state(
        connection,
        campaign.id,
        CampaignState.PAUSED,
        next_due=campaign.next_due,
        reason=reason,
        paused_at=now,
    )


async def resume(ctx: Context, account: Account, public_id: str) -> CampaignRow:
    """
    Let a paused campaign go on. Raises NotFound, Conflict for one that is not paused.

    Pacing stood still meanwhile. The windows of messages that wait move by as
    long as the pause was, within a second or so, by `launch`; each run goes on
    when all of its have moved. A single run that came due meanwhile starts
    now, one by cron if its messages would still be valid.
    """
    now = ctx.now()

    async def work(connection: AsyncConnection, campaign: CampaignRow) -> CampaignRow:
        _require_transition(campaign, CampaignState.PAUSED, CampaignState.ACTIVE)
        assert campaign.paused_at is not None
        if any(run.shift is not None for run in await runs.lock_open(connection, campaign.id)):
            raise Conflict(
                f"the messages of campaign {campaign.terms.name!r} still move by its last pause;"
                " try again in a moment"
            )
        await runs.add_pause(connection, campaign.id, since=campaign.paused_at, until=now)
        due = campaign.next_due
        if due is not None and isinstance(campaign.terms.schedule, RunOnce):
            due = max(due, now)
        await campaigns.set_state(connection, campaign.id, CampaignState.ACTIVE, next_due=due)
        await campaigns.finish(connection, [campaign.id])
        return await campaigns.by_id(connection, campaign.id)

    return await _with_locked(ctx, account, public_id, work)


async def cancel(ctx: Context, account: Account, public_id: str) -> CancelResult:
    """
    End a campaign and take back all of it that is in no worker's hands, with its credits.

    What a worker hands back later is taken back by `launch`. Raises NotFound,
    and Conflict for a campaign that is over.
    """

    async def work(connection: AsyncConnection, campaign: CampaignRow) -> tuple[CampaignRow, list[Run], int]:
        _require_transition(campaign, campaign.state, CampaignState.CANCELLED)
        open_runs = await runs.lock_open(connection, campaign.id)
        await runs.pause(connection, campaign.id)
        await campaigns.set_state(connection, campaign.id, CampaignState.CANCELLED, next_due=None)
        before, _ = await _count_messages(connection, open_runs)
        return await campaigns.by_id(connection, campaign.id), open_runs, before

    campaign, open_runs, before = await _with_locked(ctx, account, public_id, work)
    for run in open_runs:
        while await withdraw_messages(ctx, run.id):
            pass
    withdrawn, out = await ctx.database.transact(lambda c: _count_messages(c, open_runs))
    return CancelResult(campaign, withdrawn - before, out)


async def withdraw_messages(ctx: Context, run_id: int) -> int:
    """Withdraw some messages of a cancelled run; 0 means that none can be, and it ends when none is left."""
    now = ctx.now()

    async def work(connection: AsyncConnection) -> int:
        ids = await run_messages.lock_withdrawable(connection, run_id, limit=_BATCH)
        if not ids:
            await runs.finish_cancelled(connection, run_id, now=now)
            return 0
        await edits.cancel(connection, ids, reason=_CANCELLED, now=now)
        await ledger.refund(connection, ids)
        return len(ids)

    return await ctx.database.transact(work)


async def _count_messages(connection: AsyncConnection, of: list[Run]) -> tuple[int, int]:
    """Count the messages of these runs that were withdrawn, and those that went out or may have."""
    counts = await run_messages.count_by_status(
        connection, [run.batch_id for run in of if run.batch_id is not None]
    )
    withdrawn = sum(count.messages for count in counts if count.status is Status.WITHDRAWN)
    kept = CANCELLED | {Status.WITHDRAWN}
    return withdrawn, sum(count.messages for count in counts if count.status not in kept)


async def _with_locked(
    ctx: Context,
    account: Account,
    public_id: str,
    work: Callable[[AsyncConnection, CampaignRow], Awaitable[T]],
) -> T:
    """Do something with a locked campaign, in one transaction."""

    async def locked(connection: AsyncConnection) -> T:
        return await work(connection, await _find(connection, account, public_id, lock=True))

    return await ctx.database.transact(locked)


async def _find(
    connection: AsyncConnection, account: Account, public_id: str, *, lock: bool = False
) -> CampaignRow:
    try:
        found = await campaigns.find(connection, account.id, UUID(public_id), lock=lock)
    except ValueError:
        found = None
    if found is None:
        raise NotFound(f"account {account.name!r} has no campaign {public_id!r}")
    return found


def _require_transition(campaign: CampaignRow, state: CampaignState, following: CampaignState) -> None:
    if campaign.state is not state:
        raise Conflict(f"campaign {campaign.terms.name!r} is {campaign.state}, not {state}")
    if following not in CAMPAIGN_TRANSITIONS[state]:
        raise Conflict(f"campaign {campaign.terms.name!r} is {state} for good")


def _require_free_name(made: CampaignRow | None, account: Account, plan: CampaignPlan) -> CampaignRow:
    if made is None:
        raise AlreadyExists(f"account {account.name!r} has a campaign {plan.name.strip()!r} already")
    return made
