"""Campaigns: created as drafts, started, paused, resumed, cancelled. `launch` sends the active ones."""

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
from dispatcher.domain.spelling import name_choices
from dispatcher.service.campaigns.plan import validate_plan
from dispatcher.service.campaigns.progress import CampaignReport, report
from dispatcher.service.context import Context
from dispatcher.store.accounts import ledger
from dispatcher.store.campaigns import campaigns, names, pauses, run_messages, runs
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
    "page",
    "pause",
    "pause_locked",
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
    """A cancelled campaign: how many messages were withdrawn, and how many were sent or may have been."""

    campaign: CampaignRow
    withdrawn: int
    too_late: int


async def create(ctx: Context, account: Account, plan: CampaignPlan) -> CampaignRow:
    """Return a new draft. Raises InvalidPlan with all faults, and AlreadyExists if the name is taken."""
    now = ctx.now()

    async def work(connection: AsyncConnection) -> CampaignRow:
        terms = await validate_plan(ctx, connection, account, plan, now=now)
        made = await campaigns.insert(connection, account.id, terms, public_id=uuid4(), now=now)
        return _require_free_name(made, account, plan)

    return await ctx.database.transact(work)


async def change(ctx: Context, account: Account, public_id: str, plan: CampaignPlan) -> CampaignRow:
    """
    Replace the whole plan of a draft and return it.

    Raises what `create` does, NotFound, and Conflict if it is not a draft.
    """
    now = ctx.now()

    async def work(connection: AsyncConnection, campaign: CampaignRow) -> CampaignRow:
        if campaign.state is not CampaignState.DRAFT:
            raise Conflict(
                f"campaign {campaign.terms.name!r} is {campaign.state}; only a draft can be changed,"
                " and the text of a campaign that has started: `dispatcher campaign text`,"
                " or POST …/campaigns/ID/text"
            )
        terms = await validate_plan(ctx, connection, account, plan, now=now)
        return _require_free_name(await campaigns.change(connection, campaign.id, terms), account, plan)

    return await _with_locked(ctx, account, public_id, work)


async def find(ctx: Context, account: Account, public_id: str) -> CampaignRow:
    """Return a campaign by its public id. Raises NotFound."""
    return await ctx.database.transact(lambda c: _find(c, account, public_id))


async def page(ctx: Context, account: Account, *, after: int = 0, limit: int = 100) -> list[CampaignRow]:
    """Return an account's campaigns, the oldest first, after the one with the number `after`."""
    return await ctx.database.transact(lambda c: campaigns.page(c, account.id, after=after, limit=limit))


async def show(
    ctx: Context, account: Account, public_id: str, *, before: datetime | None = None, limit: int = 10
) -> CampaignReport:
    """
    Return the progress of a campaign and its latest runs, with a forecast of when each ends.

    With `before`, only runs that were due before then. Raises NotFound.
    """
    campaign = await find(ctx, account, public_id)
    return await report(ctx, campaign, before=before, limit=limit)


async def start(ctx: Context, account: Account, public_id: str) -> CampaignRow:
    """
    Start a draft; a single time in the past means now.

    Raises NotFound, and Conflict if it is not a draft or has no future run.
    """
    now = ctx.now()

    async def work(connection: AsyncConnection, campaign: CampaignRow) -> CampaignRow:
        _require_transition(campaign, CampaignState.DRAFT, CampaignState.ACTIVE)
        schedule = campaign.terms.schedule
        due = max(schedule.at, now) if isinstance(schedule, RunOnce) else next_due(schedule, after=now)
        if due is None:
            raise Conflict(f"campaign {campaign.terms.name!r} has no future run; change its days")
        await campaigns.set_state(connection, campaign.id, CampaignState.ACTIVE, next_due=due)
        return await campaigns.by_id(connection, campaign.id)

    return await _with_locked(ctx, account, public_id, work)


async def pause(ctx: Context, account: Account, public_id: str, *, reason: str = "") -> CampaignRow:
    """
    Pause an active campaign. Raises NotFound, and Conflict if it is not active.

    Workers claim none of its messages any more; attempts in progress go on.
    None of its messages expires meanwhile.
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
    """Pause a locked, active campaign; waits until an expansion in progress has ended its chunk."""
    await runs.lock_open(connection, campaign.id)
    await pauses.begin(connection, campaign.id, now=now)
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
    Resume a paused campaign. Raises NotFound, and Conflict if it is not paused.

    The pause does not count for pacing. `launch` moves the windows of waiting
    messages by the length of the pause, within a second or so; each run
    continues when all of its windows have moved. A single run that became due
    meanwhile starts now; a run by cron does if its messages would still be
    valid.
    """
    now = ctx.now()

    async def work(connection: AsyncConnection, campaign: CampaignRow) -> CampaignRow:
        _require_transition(campaign, CampaignState.PAUSED, CampaignState.ACTIVE)
        assert campaign.paused_at is not None
        if any(run.shift is not None for run in await runs.lock_open(connection, campaign.id)):
            raise Conflict(
                f"the windows of campaign {campaign.terms.name!r} are still being moved after its last pause;"
                " try again in a moment"
            )
        await pauses.add(connection, campaign.id, since=campaign.paused_at, until=now)
        due = campaign.next_due
        if due is not None and isinstance(campaign.terms.schedule, RunOnce):
            due = max(due, now)
        await campaigns.set_state(connection, campaign.id, CampaignState.ACTIVE, next_due=due)
        await campaigns.finish(connection, [campaign.id])
        return await campaigns.by_id(connection, campaign.id)

    return await _with_locked(ctx, account, public_id, work)


async def cancel(ctx: Context, account: Account, public_id: str) -> CancelResult:
    """
    Cancel a campaign, withdraw its messages that no worker has claimed, and refund them.

    `launch` withdraws messages that a worker returns later. Raises NotFound,
    and Conflict for a campaign that has ended.
    """

    async def work(connection: AsyncConnection, campaign: CampaignRow) -> tuple[CampaignRow, list[Run], int]:
        _require_transition(campaign, campaign.state, CampaignState.CANCELLED)
        open_runs = await runs.lock_open(connection, campaign.id)
        await pauses.begin(connection, campaign.id, now=ctx.now())
        await campaigns.set_state(connection, campaign.id, CampaignState.CANCELLED, next_due=None)
        before, _ = await _count_ended(connection, open_runs)
        return await campaigns.by_id(connection, campaign.id), open_runs, before

    campaign, open_runs, before = await _with_locked(ctx, account, public_id, work)
    for run in open_runs:
        while await withdraw_messages(ctx, run.id):
            pass
    withdrawn, too_late = await ctx.database.transact(lambda c: _count_ended(c, open_runs))
    return CancelResult(campaign, withdrawn - before, too_late)


async def withdraw_messages(ctx: Context, run_id: int) -> int:
    """
    Withdraw up to 1,000 messages of a cancelled run and return how many.

    0 means that none can be withdrawn now; the run ends when none is left.
    """
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


async def _count_ended(connection: AsyncConnection, ended: list[Run]) -> tuple[int, int]:
    """Return how many messages of these runs were withdrawn, and how many were sent or may have been."""
    counts = await run_messages.count_by_status(
        connection, [run.batch_id for run in ended if run.batch_id is not None]
    )
    withdrawn = sum(count.messages for count in counts if count.status is Status.WITHDRAWN)
    not_sent = CANCELLED | {Status.WITHDRAWN}
    return withdrawn, sum(count.messages for count in counts if count.status not in not_sent)


async def _with_locked(
    ctx: Context,
    account: Account,
    public_id: str,
    work: Callable[[AsyncConnection, CampaignRow], Awaitable[T]],
) -> T:
    """Return the result of `work` on a locked campaign, in one transaction."""

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
        choices = name_choices(public_id, await names.of_campaigns(connection, account.id))
        raise NotFound(f"account {account.name!r} has no campaign {public_id!r} ({choices})")
    return found


def _require_transition(campaign: CampaignRow, state: CampaignState, to: CampaignState) -> None:
    if campaign.state is not state:
        raise Conflict(f"campaign {campaign.terms.name!r} is {campaign.state}, not {state}")
    if to not in CAMPAIGN_TRANSITIONS[state]:
        raise Conflict(f"campaign {campaign.terms.name!r} is {state} and cannot change any more")


def _require_free_name(made: CampaignRow | None, account: Account, plan: CampaignPlan) -> CampaignRow:
    if made is None:
        raise AlreadyExists(f"account {account.name!r} already has a campaign {plan.name.strip()!r}")
    return made
