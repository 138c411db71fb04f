"""What a provider's answer, or a dead worker, makes of a message: the rules of docs/status.md."""

import random
from datetime import datetime

from dispatcher.domain.delivery.message import Attempt, DoubtPolicy, RetryPolicy, Verdict
from dispatcher.domain.delivery.provider import Accepted, Deferred, Rejected, Unknown, Unsent
from dispatcher.domain.delivery.retry import next_try
from dispatcher.domain.messages.status import Place, Status


def decide(
    ended: Attempt, *, now: datetime, patience: RetryPolicy, doubt: DoubtPolicy, rng: random.Random
) -> Verdict:
    """
    Tell where this try leaves its message.

    After not_after nothing is tried again: what surely never went out is
    27, what may have gone out is 39.
    """
    match ended.outcome:
        case Accepted():
            return Verdict(Status.SENT, None, now + patience.receipt, "accepted")
        case Rejected(status=status, reason=reason):
            return Verdict(status, None, None, reason)
        case Deferred(reason=reason, after=after):
            if ended.deferrals + 1 >= patience.max_deferrals:
                text = f"{reason}; the provider said 'later' {patience.max_deferrals} times"
                return Verdict(Status.GAVE_UP, None, None, text, deferred=True)
            wake_at = next_try(
                now,
                ended.deferrals + 1,
                not_after=ended.not_after,
                hint=after,
                base=patience.backoff_base,
                cap=patience.backoff_cap,
                rng=rng,
            )
            return _again(ended, now, reason, wake_at=wake_at, deferred=True)
        case Unsent(reason=reason):
            wake_at = next_try(
                now,
                ended.attempt,
                not_after=ended.not_after,
                hint=None,
                base=patience.backoff_base,
                cap=patience.backoff_cap,
                rng=rng,
            )
            return _again(ended, now, reason, wake_at=wake_at)
        case Unknown(reason=reason):
            return _in_doubt(ended, now, reason, patience=patience, doubt=doubt, rng=rng)


def expiry_status(doubts: int) -> Status:
    """Tell the status of a message whose window is over while no worker holds it."""
    return Status.GAVE_UP if doubts else Status.EXPIRED


def _again(
    ended: Attempt, now: datetime, reason: str, *, wake_at: datetime | None, deferred: bool = False
) -> Verdict:
    if now >= ended.not_after:
        return Verdict(
            expiry_status(ended.doubts), None, None, f"{reason}; its window is over", deferred=deferred
        )
    # No try fits any more: expire ends it at not_after, not before.
    return Verdict(Status.PENDING, Place.HELD, wake_at or ended.not_after, reason, deferred=deferred)


def _in_doubt(
    ended: Attempt,
    now: datetime,
    reason: str,
    *,
    patience: RetryPolicy,
    doubt: DoubtPolicy,
    rng: random.Random,
) -> Verdict:
    text = f"in doubt: {reason}"
    if now >= ended.not_after or ended.doubts >= doubt.resends:
        return Verdict(Status.GAVE_UP, None, None, text, doubtful=True)
    wake_at = next_try(
        now,
        ended.doubts + 1,
        not_after=ended.not_after,
        hint=None,
        base=patience.backoff_base,
        cap=patience.backoff_cap,
        rng=rng,
    )
    return Verdict(Status.PENDING, Place.HELD, wake_at or ended.not_after, text, doubtful=True)
