"""How urgent a message is. Each tier has a lane, worker processes and limits of its own."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Tier(StrEnum):
    """Named as producers name them."""

    CRITICAL = "critical"  # one-time passwords, alarms: now or never
    STANDARD = "standard"  # notifications
    BULK = "bulk"  # campaigns


@dataclass(frozen=True, slots=True)
class TierLimits:
    """
    What a tier may count on.

    `validity` is the window's length where the caller names none; `requeue`
    is how long an id may lie in its lane before the clock takes it back;
    `share` is the part of a provider's rate that this tier and those below
    it may use together.
    """

    validity: timedelta
    requeue: timedelta
    share: float


TIER_LIMITS: dict[Tier, TierLimits] = {
    Tier.CRITICAL: TierLimits(timedelta(minutes=10), timedelta(seconds=2), 1.0),
    Tier.STANDARD: TierLimits(timedelta(hours=24), timedelta(seconds=30), 0.9),
    Tier.BULK: TierLimits(timedelta(hours=72), timedelta(seconds=30), 0.8),
}
