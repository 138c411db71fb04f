"""Campaigns as values: their plan, their states, and when they run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import islice

from dispatcher.domain.campaigns.recurrence import Schedule, due_times, next_due
from dispatcher.domain.tier import TIER_LIMITS, Tier

RUN_LEAD = timedelta(seconds=60)
"""How long before its due time a run is created."""

MAX_DUE_RUNS = 100
"""How many due runs of one campaign are handled together, after the clock was down."""


class AudienceState(StrEnum):
    """The state of an audience; only one that is ready can be sent to."""

    IMPORTING = "importing"  # or the import failed: it can be removed, or imported again under its name
    READY = "ready"  # complete; it never changes again
    REMOVING = "removing"  # its recipients are being deleted; then it is gone


class CampaignState(StrEnum):
    """The state of a campaign; the last two are final."""

    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the campaign never runs again."""
        return not CAMPAIGN_TRANSITIONS[self]


CAMPAIGN_TRANSITIONS: Mapping[CampaignState, frozenset[CampaignState]] = {
    CampaignState.DRAFT: frozenset({CampaignState.ACTIVE, CampaignState.CANCELLED}),
    CampaignState.ACTIVE: frozenset({CampaignState.PAUSED, CampaignState.FINISHED, CampaignState.CANCELLED}),
    CampaignState.PAUSED: frozenset({CampaignState.ACTIVE, CampaignState.CANCELLED}),
    CampaignState.FINISHED: frozenset(),
    CampaignState.CANCELLED: frozenset(),
}


class RunState(StrEnum):
    """The state of a run: first its recipients become messages, then the messages are sent."""

    EXPANDING = "expanding"
    SENDING = "sending"
    FINISHED = "finished"
    STOPPED = "stopped"  # ended before its last recipient, because its maximum cost was reached
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class CampaignPlan:
    """
    The plan of a campaign, as its account submits it.

    The audience and the template are named by their public ids; a template
    takes precedence over `text`. `sender` is a sender's name; None is the
    account's default. The campaign runs once, at `at`, or by `cron` in
    `timezone` (None: the account's) from `first_day` to `last_day`, both
    included. `validity` None is the account's or the tier's. `hours` has the
    form that `parse_hours` reads. `max_cost` is the limit of each run, in
    credits.
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
    """The due times of a campaign: those to run now, those that were missed, and the next one."""

    due: Sequence[datetime]
    missed: Sequence[datetime]
    next: datetime | None


def due_runs(schedule: Schedule, *, first: datetime, now: datetime, validity: timedelta) -> DueRuns:
    """
    Return the runs that are due from `first` on, up to RUN_LEAD before their time.

    A run that is later than `validity` is missed. `first` is a due time
    itself, even if the schedule does not contain it. At most MAX_DUE_RUNS
    are returned; call again with `next` for the rest.
    """
    until = now + RUN_LEAD
    if first > until:
        return DueRuns((), (), first)
    times = [first, *islice(due_times(schedule, after=first, until=until), MAX_DUE_RUNS - 1)]
    late = [due for due in times if due + validity <= now]
    return DueRuns(times[len(late) :], late, next_due(schedule, after=times[-1]))


def validity_of(own: timedelta | None, tier: Tier) -> timedelta:
    """Return how long each message of a campaign may be sent: its own validity, else the tier's."""
    return own or TIER_LIMITS[tier].validity
