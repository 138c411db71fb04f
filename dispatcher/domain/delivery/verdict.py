"""The state of a message after an attempt, by the rules in docs/status.md."""

import random
from datetime import datetime, timedelta

from dispatcher.domain.delivery.message import Attempt, DoubtPolicy, Verdict
from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    PartlyAccepted,
    Rejected,
    Unknown,
    Unsent,
    rest_of,
)
from dispatcher.domain.delivery.retry import RetryPolicy, next_try
from dispatcher.domain.messages.status import Place, Status


def decide(
    ended: Attempt, *, now: datetime, retry: RetryPolicy, doubt: DoubtPolicy, rng: random.Random
) -> Verdict:
    """
    Return the state of a message after this attempt.

    After `not_after` there is no retry: a message that was certainly never
    sent becomes 27, one that may have been sent, or was in part, becomes 39. A
    try in which the provider took a part is no deferral: the message moves on.
    """
    match rest_of(ended.outcome):
        case Accepted():
            return Verdict(Status.SENT, None, now + retry.receipt, "accepted")
        case Rejected(status=status, reason=reason):
            return Verdict(status, None, None, _with_parts(ended, reason))
        case Deferred(reason=reason, after=after):
            return _deferred(ended, now, reason, after=after, retry=retry, rng=rng)
        case Unsent(reason=reason):
            wake_at = _next_try(ended, ended.attempt, now=now, retry=retry, rng=rng)
            return _retried(ended, now, reason, wake_at=wake_at)
        case Unknown(reason=reason):
            return _in_doubt(ended, now, reason, retry=retry, doubt=doubt, rng=rng)


def expiry_status(ended: Attempt) -> Status:
    """
    Return the status of a message whose window is over after an attempt.

    `_EXPIRE` in `store/clock/sweeps.py` is the same rule in SQL, for messages that wait.
    """
    return Status.GAVE_UP if ended.doubts or ended.parts_out is not None else Status.EXPIRED


def _with_parts(ended: Attempt, reason: str) -> str:
    return reason if ended.parts_out is None else f"{reason}; {ended.parts_out}"


def _next_try(
    ended: Attempt,
    tries: int,
    *,
    now: datetime,
    retry: RetryPolicy,
    rng: random.Random,
    hint: timedelta | None = None,
) -> datetime | None:
    return next_try(
        now,
        tries,
        not_after=ended.not_after,
        hint=hint,
        base=retry.backoff_base,
        cap=retry.backoff_cap,
        rng=rng,
    )


def _deferred(
    ended: Attempt,
    now: datetime,
    reason: str,
    *,
    after: timedelta | None,
    retry: RetryPolicy,
    rng: random.Random,
) -> Verdict:
    has_moved_on = isinstance(ended.outcome, PartlyAccepted)
    if not has_moved_on and ended.deferrals + 1 >= retry.max_deferrals:
        text = f"{reason}; the provider deferred it {retry.max_deferrals} times"
        return Verdict(Status.GAVE_UP, None, None, _with_parts(ended, text), deferred=True)
    wake_at = _next_try(ended, ended.deferrals + 1, now=now, retry=retry, rng=rng, hint=after)
    return _retried(ended, now, reason, wake_at=wake_at, deferred=not has_moved_on)


def _retried(
    ended: Attempt, now: datetime, reason: str, *, wake_at: datetime | None, deferred: bool = False
) -> Verdict:
    text = _with_parts(ended, reason)
    if now >= ended.not_after:
        return Verdict(expiry_status(ended), None, None, f"{text}; its window is over", deferred=deferred)
    # If no retry fits, the message waits until `not_after`, when the clock expires it.
    return Verdict(Status.PENDING, Place.HELD, wake_at or ended.not_after, text, deferred=deferred)


def _in_doubt(
    ended: Attempt,
    now: datetime,
    reason: str,
    *,
    retry: RetryPolicy,
    doubt: DoubtPolicy,
    rng: random.Random,
) -> Verdict:
    text = f"in doubt: {_with_parts(ended, reason)}"
    if now >= ended.not_after or ended.doubts >= doubt.resends:
        return Verdict(Status.GAVE_UP, None, None, text, doubtful=True)
    wake_at = _next_try(ended, ended.doubts + 1, now=now, retry=retry, rng=rng)
    return Verdict(Status.PENDING, Place.HELD, wake_at or ended.not_after, text, doubtful=True)
