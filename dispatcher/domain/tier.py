"""Tiers: how urgent a message is. Each tier has its own lane, worker processes and limits."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Tier(StrEnum):
    """A tier, with the name that producers use."""

    CRITICAL = "critical"  # one-time passwords and alarms, useless when late
    STANDARD = "standard"  # notifications
    BULK = "bulk"  # campaigns


@dataclass(frozen=True, slots=True)
class TierLimits:
    """
    The limits of a tier.

    `validity` is the length of the window if the caller gives none. `requeue`
    is how long an id may be in its lane before the clock returns it to
    `ready`. `share` is the part of a provider's rate that this tier and those
    below it may use together. `overdue` is how long a due message may wait
    for the dispatcher before operators should know.
    """

    validity: timedelta
    requeue: timedelta
    share: float
    overdue: timedelta


TIER_LIMITS: dict[Tier, TierLimits] = {
    Tier.CRITICAL: TierLimits(timedelta(minutes=10), timedelta(seconds=2), 1.0, timedelta(seconds=10)),
    Tier.STANDARD: TierLimits(timedelta(hours=24), timedelta(seconds=30), 0.9, timedelta(minutes=2)),
    Tier.BULK: TierLimits(timedelta(hours=72), timedelta(seconds=30), 0.8, timedelta(minutes=15)),
}
