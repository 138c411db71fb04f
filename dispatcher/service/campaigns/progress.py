"""
The progress of a campaign, and the forecast of its end.

Pacing and allowed hours determine when the last recipient is released. The
last message is sent then, or when the providers have taken the remaining
segments, whichever is later. The rate for that is what was seen so far, where
messages that are due wait for it; at most, and before, the sum of the rates of all
providers that take live messages, limited to the share of the campaign's tier,
and divided as lanes are filled: equally between the accounts that have
messages ready in the tier now, and between the flows of one account.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.campaigns.campaign import CampaignState, RunState
from dispatcher.domain.campaigns.pacing import Forecast
from dispatcher.domain.delivery.provider import Traffic
from dispatcher.domain.duration import format_duration
from dispatcher.domain.messages.encoding import InvalidText, measure
from dispatcher.domain.messages.status import OPEN, Status
from dispatcher.domain.tier import Tier
from dispatcher.service.campaigns.plan import timetable
from dispatcher.service.context import Context
from dispatcher.store.campaigns import audiences, run_messages, runs
from dispatcher.store.campaigns.audiences import Audience
from dispatcher.store.campaigns.campaigns import CampaignRow
from dispatcher.store.campaigns.run_messages import StatusCount
from dispatcher.store.campaigns.runs import Run
from dispatcher.store.clock import sweeps

_OPEN = frozenset({RunState.EXPANDING, RunState.SENDING})
_SECOND = timedelta(seconds=1)
_SEEN = timedelta(seconds=10)  # what is sent in less time shows no rate
_BACKLOG = timedelta(seconds=5)  # more than this much that is due waits for the providers, not for pacing


@dataclass(frozen=True, slots=True)
class RunReport:
    """
    A run: its messages by status, and their cost so far without refunds.

    An open run has a forecast, and a sentence on what limits its rate.
    """

    run: Run
    statuses: Mapping[Status, int]
    cost: int
    forecast: Forecast | None
    limit: str


@dataclass(frozen=True, slots=True)
class CampaignReport:
    """A campaign, its audience, and its latest runs, the newest first."""

    campaign: CampaignRow
    audience: Audience
    runs: Sequence[RunReport]


async def report(
    ctx: Context, campaign: CampaignRow, *, before: datetime | None, limit: int
) -> CampaignReport:
    """Return the progress of a campaign and of its runs that were due before `before`."""

    async def work(connection: AsyncConnection) -> CampaignReport:
        audience = await audiences.by_id(connection, campaign.terms.audience_id)
        shown = await runs.of_campaign(connection, campaign.id, before=before, limit=limit)
        batches = [run.batch_id for run in shown if run.batch_id is not None]
        counts = await run_messages.count_by_status(connection, batches)
        tier = campaign.terms.tier
        ready = await sweeps.ready_flows(connection, tier) if any(run.state in _OPEN for run in shown) else []
        return CampaignReport(
            campaign,
            audience,
            [
                _of_run(
                    campaign,
                    audience,
                    run,
                    [count for count in counts if count.batch_id == run.batch_id],
                    rate=rate(ctx, tier, ready, flow=(campaign.account_id, run.id)),
                    now=ctx.now(),
                )
                for run in shown
            ],
        )

    return await ctx.database.transact(work)


def rate(ctx: Context, tier: Tier, ready: Sequence[tuple[int, int]], *, flow: tuple[int, int]) -> float:
    """Return the segments a second that a flow can count on while the `ready` flows take turns."""
    whole = sum(
        configured.config.rate(tier)
        for configured in ctx.providers.values()
        if configured.config.takes is not Traffic.TESTS
    )
    of_account = Counter(account_id for account_id, _ in {*ready, flow})
    return whole / len(of_account) / of_account[flow[0]]


def _of_run(
    campaign: CampaignRow,
    audience: Audience,
    run: Run,
    counts: Sequence[StatusCount],
    *,
    rate: float,
    now: datetime,
) -> RunReport:
    statuses = {count.status: count.messages for count in counts}
    cost = sum(count.charged for count in counts if not count.status.is_refunded)
    if run.state not in _OPEN or campaign.state is CampaignState.CANCELLED:
        return RunReport(run, statuses, cost, None, "")
    pauses = run.pauses if campaign.paused_at is None else (*run.pauses, (campaign.paused_at, now))
    released = timetable(campaign.terms, audience, starts_at=run.starts_at, pauses=pauses).last()
    segments = _segments_left(campaign, run, counts)
    seen = _seen_rate(campaign, run, counts, paused=pauses, now=now)
    if seen is not None:
        rate = min(rate, seen)
    forecast, limit = _forecast(max(run.starts_at, now), released, segments, rate=rate, seen=seen)
    if campaign.paused_at is not None:
        limit = f"It is paused. If it went on now: {limit}"
    return RunReport(run, statuses, cost, forecast, limit)


def _segments_left(campaign: CampaignRow, run: Run, counts: Sequence[StatusCount]) -> float:
    """Return the segments of waiting messages, plus those of recipients to come, estimated by the average."""
    waiting = sum(count.segments for count in counts)
    to_come = run.total - run.position if run.state is RunState.EXPANDING else 0
    open_messages = sum(c.messages for c in counts if c.status in OPEN)
    return waiting + to_come * (waiting / open_messages if open_messages else _segments(campaign.terms.text))


def _seen_rate(
    campaign: CampaignRow,
    run: Run,
    counts: Sequence[StatusCount],
    *,
    paused: Sequence[tuple[datetime, datetime]],
    now: datetime,
) -> float | None:
    """
    Return the segments a second that were sent so far, without pauses.

    None if that does not show what the providers take: while nothing that is
    due waits, in the first seconds, or with allowed hours, which stop a run.
    """
    active = now - run.starts_at - sum((until - since for since, until in paused), timedelta())
    due = sum(count.messages for count in counts if count.status is Status.PENDING)
    sent = sum(c.messages for c in counts if c.status not in OPEN and not c.status.is_refunded)
    if campaign.terms.hours is not None or active < _SEEN or not sent:
        return None
    rate = sent * _segments(campaign.terms.text) / active.total_seconds()
    return rate if due > rate * _BACKLOG.total_seconds() else None


def _segments(text: str) -> int:
    try:
        return max(1, measure(text).segments)
    except InvalidText:
        return 1


def _forecast(
    start: datetime, released: datetime, segments: float, *, rate: float, seen: float | None
) -> tuple[Forecast, str]:
    if not segments:
        return Forecast(released, max(released, start)), "All of it is out."
    if rate <= 0:
        return Forecast(released, None), "No provider is there to take it."
    taken = start + segments / rate * _SECOND
    if taken <= released:
        left = format_duration(taken - start)
        words = f"Its pacing is the limit: the providers would take what is left in {left}."
        return Forecast(released, released), words
    share = f"its share is {rate:.1f} a second" if rate != seen else f"{rate:.1f} a second were sent so far"
    words = f"The providers' rate is the limit: about {segments:.0f} segments are left, and {share}."
    return Forecast(released, taken), words
