"""Campaigns as values: what they are to be, the states they pass through, and when they run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import islice

from dispatcher.domain.campaigns.recurrence import Schedule, due_times, next_due
from dispatcher.domain.tier import TIER_LIMITS, Tier

RUN_LEAD = timedelta(seconds=60)
"""How long before it is due a run is made."""

MAX_DUE_RUNS = 100
"""How many runs of one campaign are looked at together, after a time in which nobody was awake."""


class AudienceState(StrEnum):
    """How far a list of recipients is read; only a ready one can be sent to."""

    IMPORTING = "importing"  # or its import failed: it may be removed, or imported again under its name
    READY = "ready"  # whole; it never changes
    REMOVING = "removing"  # its recipients are being deleted; then it is gone


class CampaignState(StrEnum):
    """What a campaign is doing; the last two are final."""

    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether it never goes out again."""
        return not CAMPAIGN_TRANSITIONS[self]


CAMPAIGN_TRANSITIONS: Mapping[CampaignState, frozenset[CampaignState]] = {
    CampaignState.DRAFT: frozenset({CampaignState.ACTIVE, CampaignState.CANCELLED}),
    CampaignState.ACTIVE: frozenset({CampaignState.PAUSED, CampaignState.FINISHED, CampaignState.CANCELLED}),
    CampaignState.PAUSED: frozenset({CampaignState.ACTIVE, CampaignState.CANCELLED}),
    CampaignState.FINISHED: frozenset(),
    CampaignState.CANCELLED: frozenset(),
}


class RunState(StrEnum):
    """What one run is doing: recipients become messages, messages go out, and then it is over."""

    EXPANDING = "expanding"
    SENDING = "sending"
    FINISHED = "finished"
    STOPPED = "stopped"  # over before its last recipient: its maximum cost was reached
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class CampaignPlan:
    """
    What a campaign is to be, as its account means it.

    The audience and the template are named by their public ids, a template
    wins over `text`. The sender is named by its name, else it is the
    account's default one. It runs once, at `at`, or by `cron` in `timezone`
    (None: the account's) from `first_day` to `last_day`, both included.
    `validity` None is the account's or the tier's. `hours` are as
    `domain.hours` reads them. `max_cost` is for each run, in credits.
    """

    name: str
    audience_id: str
    text: str = ""
    template_id: str | None = None
    sender: str | None = None
    tier: Tier = Tier.BULK
    validity: timedelta | None = None
    timezone: str | None = None
    at: datetime | None = None
    cron: str | None = None
    first_day: date | None = None
    last_day: date | None = None
    spread: timedelta | None = None
    per_second: float | None = None
    hours: Mapping[str, object] | None = None
    max_cost: int | None = None
    callback_url: str | None = None


@dataclass(frozen=True, slots=True)
class DueRuns:
    """Times at which a campaign was to run: those to run now, those too late for that, and the one after."""

    due: Sequence[datetime]
    missed: Sequence[datetime]
    next: datetime | None


def due_runs(schedule: Schedule, *, first: datetime, now: datetime, validity: timedelta) -> DueRuns:
    """
    Tell what is due from `first` on: up to LEAD before its time, and late only while it would be valid.

    `first` is a due time itself, and may be one that the schedule does not
    name. After AT_ONCE of them the rest is told by asking again.
    """
    until = now + RUN_LEAD
    if first > until:
        return DueRuns((), (), first)
    times = [first, *islice(due_times(schedule, after=first, until=until), MAX_DUE_RUNS - 1)]
    late = [due for due in times if due + validity <= now]
    return DueRuns(times[len(late) :], late, next_due(schedule, after=times[-1]))


def validity_of(given: timedelta | None, tier: Tier) -> timedelta:
    """Tell how long each message of a campaign is good for."""
    return given or TIER_LIMITS[tier].validity
