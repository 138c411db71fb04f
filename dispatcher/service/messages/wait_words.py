"""What messages wait for, in words, for waits that last and for waits that are over."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from dispatcher.domain.duration import format_duration
from dispatcher.domain.messages.status import Status
from dispatcher.domain.messages.waits import Wait, WaitKind, barred_states
from dispatcher.service.messages.search import Event, History

_MOST = 5

_PRESENT = {"be": "is", "are": "are", "has": "has"}
_PAST = {"be": "was", "are": "were", "has": "had"}
_CAUSES = {
    WaitKind.TURN: "it {be} due, and due messages {are} released in turn",
    WaitKind.ROOM: "the lane {tier} {be} full of earlier messages",
    WaitKind.WORKER: "no worker {be} free to take it from the lane {tier}",
    WaitKind.HOURS: "it {be} outside its allowed hours",
    WaitKind.TOKEN: "the rate of {provider} {be} used up",
    WaitKind.SLOT: "all connections to {provider} {are} busy",
    WaitKind.ANSWER: "{provider} {has} not answered yet",
    WaitKind.CAMPAIGN: "its campaign {be} paused",
}


def present_wait(history: History) -> Wait | None:
    """Return what a message waits for now; None if it waits for its own time, or for nothing."""
    message = history.message
    if message.place is None or message.wait_kind is None or message.wait_since is None:
        return None
    return Wait(message.wait_kind, message.waits_for or "", message.wait_since)


def all_waits(history: History) -> Sequence[Wait]:
    """Return the waits that are over, and the one that lasts."""
    present = present_wait(history)
    return history.waits if present is None else [*history.waits, present]


def cause_of(wait: Wait, history: History) -> str:
    """Return what causes a wait, as a clause: "sandbox was paused by root (unpaid bill)"."""
    lasts = wait.until is None
    if wait.kind is WaitKind.PROVIDER:
        is_ = "is" if lasts else "was"
        return ", ".join(f"{name} {is_} {state}" for name, state in barred_states(wait.detail))
    if wait.kind is WaitKind.RETRY:
        return _try(wait.detail, history.events)
    verbs = _PRESENT if lasts else _PAST
    return _CAUSES[wait.kind].format(tier=history.message.tier, provider=wait.detail, **verbs)


def past_waits(history: History) -> str:
    """Return a sentence on the longest of the waits that are over; empty if there is none."""
    longest = sorted(history.waits, key=length, reverse=True)[:_MOST]
    shown = [wait for wait in history.waits if wait in longest]
    if not shown:
        return ""
    waited = "; then ".join(f"{format_duration(length(wait))}: {cause_of(wait, history)}" for wait in shown)
    left = len(history.waits) - len(shown)
    more = (
        "" if not left else "; and once more, shorter" if left == 1 else f"; and {left} times more, shorter"
    )
    return f"It waited {waited}{more}."


def length(wait: Wait, now: datetime | None = None) -> timedelta:
    """Return how long a wait was, or how long it has lasted by `now`."""
    until = wait.until or now
    assert until is not None
    return until - wait.since


def _try(number: str, events: Sequence[Event]) -> str:
    """Return the result of a try, after which the message waited for the next."""
    ended = next((e for e in events if e.status is Status.PENDING and str(e.attempt) == number), None)
    if ended is None:
        return f"try {number} did not succeed"
    return f"try {number} through {ended.provider} ended with: {ended.reason}"
