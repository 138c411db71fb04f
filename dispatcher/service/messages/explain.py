"""Explains in sentences where a message is and what delays it: the answer to "why is it late?"."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from dispatcher.domain.duration import format_duration
from dispatcher.domain.hours.local_time import format_instant
from dispatcher.domain.hours.opening import WAITS_FOR_HOURS, format_local_time
from dispatcher.domain.hours.zones import zones_of
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.messages.waits import WaitKind
from dispatcher.domain.tier import TIER_LIMITS
from dispatcher.lanes.heartbeats import SILENT
from dispatcher.service.messages.search import Event, History, MessageView
from dispatcher.service.messages.wait_words import cause_of, length, past_waits, present_wait

_LATE = timedelta(seconds=1)
_CLOCK = "clock"
_SYSTEM = "system"

_ENDS = {
    Status.RECEIVED: "The handset has it",
    Status.NO_RECIPIENT: "It was cancelled: its number was gone when its turn came",
    Status.NO_TEXT: "It was cancelled: its text was empty when its turn came",
    Status.INVALID_TEXT: "It was cancelled: its text cannot be sent",
    Status.NO_SENDER: "It was cancelled: the account has no sender to use",
    Status.INVALID_SENDER: "It was cancelled: its sender may not be used",
    Status.NO_CREDIT: "It was cancelled: the credits did not cover it",
    Status.OPTED_OUT: "It was cancelled: its number must not be written to",
    Status.EXPIRED: "It was cancelled: its window was over before any provider had it",
    Status.NO_ROUTE: "It was cancelled: no route leads to its number",
    Status.INTERNAL_ERROR: "It was cancelled by a fault of ours before the hand-over",
    Status.INVALID_NUMBER: "It was lost: the provider says that its number does not exist",
    Status.BLOCKED: "It was lost: it is blocked at the provider or carrier",
    Status.TOO_LATE: "It was lost: it expired after a provider had it",
    Status.UNREACHABLE: "It was lost: the provider says that the phone or its network is away",
    Status.FAILED: "It was lost: refused or undelivered, and no reason is known",
    Status.GAVE_UP: "We gave up on it",
    Status.WITHDRAWN: "Its caller withdrew it before it went out",
}


def explain(
    history: History, *, now: datetime, consumed: Mapping[str, datetime | None] | None, route: str = ""
) -> Sequence[str]:
    """
    Return sentences on where a message is, what it waits for and what delayed it.

    `consumed` has the time at which each queue was last consumed; None means
    that Redis cannot be reached. `route` is a sentence on its route.
    """
    message = history.message
    sentences = (
        _where(history, now),
        _paused(message),
        _doubt(message),
        _parts(message),
        _stalled_worker(message, now, consumed),
        route,
        _delay(history),
        past_waits(history),
    )
    return [sentence for sentence in sentences if sentence]


def _where(history: History, now: datetime) -> str:
    message = history.message
    match message.status, message.place:
        case _, Place.HELD if _waits_for_hours(message):
            return _until_open(message, now)
        case Status.SCHEDULED, _ if message.wake_at is not None and message.wake_at < now:
            due = f"Its time has come, {_time(message.not_before, message)} ({_until(message.wake_at, now)})"
            return f"{due}: where much is due at once, accounts and campaigns are released in turn."
        case Status.SCHEDULED, _:
            start = _time(message.not_before, message)
            return f"It waits for its time, {start} ({_until(message.wake_at, now)})."
        case Status.PENDING, Place.HELD:
            return _held(history, now)
        case Status.PENDING, Place.READY:
            return _ready(history, now)
        case Status.PENDING, Place.LANE:
            return _in_lane(message, now)
        case Status.PENDING, _:
            return _going_out(message, now)
        case Status.SENT, _:
            return _sent(message, now)
    return _ended(message, next(event for event in history.events if event.status is message.status))


def _waits_for_hours(message: MessageView) -> bool:
    """Return whether it waits for its allowed hours, not for its start, a token or the next try."""
    later = message.wake_at is not None and message.wake_at > message.not_before
    return later and message.closes_at is not None


def _until_open(message: MessageView, now: datetime) -> str:
    assert message.wake_at is not None
    opens = format_local_time(message.wake_at, zones_of(message.number))
    return f"It {WAITS_FOR_HOURS} until {opens} ({_until(message.wake_at, now)})."


def _ready(history: History, now: datetime) -> str:
    wait = present_wait(history)
    if history.message.paused:
        return "It is due."
    if wait is None:
        return f"It is due, and waits for room in the lane {history.message.tier}."
    return f"It is due, and waits for room: {cause_of(wait, history)} ({format_duration(length(wait, now))})."


def _held(history: History, now: datetime) -> str:
    message, wait = history.message, present_wait(history)
    if now < message.not_before:
        start = _time(message.not_before, message)
        return f"It waits for its new time, {start} ({_until(message.wake_at, now)})."
    if wait is not None and wait.kind is WaitKind.PROVIDER:
        looks, ends = _until(message.wake_at, now), _until(message.not_after, now)
        return (
            f"No provider of its route takes messages: {cause_of(wait, history)}. It goes on when one does,"
            f" and it is looked at again {looks}; its window ends {ends}."
        )
    if wait is not None and wait.kind in {WaitKind.TOKEN, WaitKind.SLOT}:
        lasted = format_duration(length(wait, now))
        return f"It waits: {cause_of(wait, history)} ({lasted}). It goes on {_until(message.wake_at, now)}."
    if message.attempt == 0:
        return f"It waits for a token or a free connection of its provider ({_until(message.wake_at, now)})."
    cause = f"try {message.attempt} through {message.provider} ended with: {message.reason}."
    if message.wake_at is not None and message.wake_at >= message.not_after:
        return f"No further try fits before its window ends ({_until(message.not_after, now)}); {cause}"
    coming = f"It waits for try {message.attempt + 1}, at {_time(message.wake_at, message)}"
    return f"{coming} ({_until(message.wake_at, now)}); {cause}"


def _in_lane(message: MessageView, now: datetime) -> str:
    if message.wake_at is None:
        return f"It is in the lane {message.tier}."
    since = message.wake_at - TIER_LIMITS[message.tier].requeue
    return (
        f"It is in the lane {message.tier} since {_time(since, message)} ({format_duration(now - since)}),"
        " and waits for a worker, or in one for a token or a connection."
    )


def _going_out(message: MessageView, now: datetime) -> str:
    calling = f"Try {message.attempt} goes out through {message.provider} now"
    if message.wake_at is not None and message.wake_at <= now:
        return f"{calling}, but its worker has not reported a result: the clock takes it back, in doubt."
    return f"{calling}; its worker has until {_time(message.wake_at, message)} to report the result."


def _sent(message: MessageView, now: datetime) -> str:
    if message.wake_at is None:
        return (
            "No receipt came in time. It stays Sent, because nothing is guessed; a late receipt still counts."
        )
    overdue = _until(message.wake_at, now).removeprefix("due ")
    return f"{message.provider} has it; no receipt has come yet (overdue {overdue})."


def _ended(message: MessageView, last: Event) -> str:
    refund = " Its credits were given back." if message.status.is_refunded and message.charged else ""
    reason = f" ({last.reason})" if last.reason else ""
    return f"{_ENDS[message.status]}, at {_time(last.at, message)}{reason}.{refund}"


def _paused(message: MessageView) -> str:
    if not message.paused or message.place is None:
        return ""
    return "Its campaign is paused: it goes on when that is resumed, and its window moves by the pause."


def _doubt(message: MessageView) -> str:
    if not message.doubts or message.status not in {Status.PENDING, Status.GAVE_UP}:
        return ""
    tries = "1 try" if message.doubts == 1 else f"{message.doubts} tries"
    return f"It is in doubt: {tries} ended without an answer, and a provider may have it."


def _parts(message: MessageView) -> str:
    taken = message.parts_taken
    if taken is None or taken.are_all or message.place is None:
        return ""
    numbers = ", ".join(map(str, taken.left))
    return (
        f"{message.provider} has {len(taken.numbers)} of its {taken.total} parts. Only the rest (part"
        f" {numbers}) goes out, and only there: a phone joins parts by sender and reference."
    )


def _stalled_worker(
    message: MessageView, now: datetime, consumed: Mapping[str, datetime | None] | None
) -> str:
    """Return a sentence if the worker that handles it next is not running."""
    queue = _queue(message)
    if queue is None:
        return ""
    if consumed is None:
        return "Redis cannot be reached; it waits in Postgres, and goes on when Redis is back."
    seen = consumed.get(queue)
    if seen is not None and now - seen <= SILENT:
        return ""
    silence = (
        "was never seen working"
        if seen is None
        else f"was last seen working {format_duration(now - seen)} ago"
    )
    return f"The worker {queue}, which moves it on, {silence}: is `dispatcher worker {queue}` running?"


def _queue(message: MessageView) -> str | None:
    if message.status is Status.SENT:
        return _SYSTEM if message.wake_at is not None else None
    if message.place is None:
        return None
    return message.tier.value if message.place is Place.LANE else _CLOCK


def _delay(history: History) -> str:
    """Return a sentence on how long after its start a provider took it, and on the tries before."""
    message, events = history.message, history.events
    taken = next((event for event in events if event.status is Status.SENT), None)
    if taken is None:
        return ""
    lag = taken.at - message.not_before
    provider = taken.provider or "A provider"
    sentence = f"{provider} took it {format_duration(lag)} after its time, at try {taken.attempt}."
    if lag < _LATE:
        return sentence
    explained = {wait.detail for wait in history.waits if wait.kind is WaitKind.RETRY}
    before = list(
        _tries(message, (e for e in events[: events.index(taken)] if str(e.attempt) not in explained))
    )
    if before:
        return f"{sentence} Before that: {'; '.join(before)}."
    return sentence if history.waits else f"{sentence} No wait of a second or more was recorded."


def _tries(message: MessageView, events: Iterable[Event]) -> Iterable[str]:
    for event in events:
        if event.status is Status.PENDING and event.attempt:
            yield f"try {event.attempt} ended at {_time(event.at, message)} with {event.reason!r}"


def _until(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "at a time not known"
    return f"in {format_duration(at - now)}" if at > now else f"due for {format_duration(now - at)}"


def _time(at: datetime | None, message: MessageView) -> str:
    return "?" if at is None else format_instant(at, message.timezone)
