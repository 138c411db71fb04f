"""The explanation of each state of a message: where it is, what it waits for, and what is wrong."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.messages.waits import Wait, WaitKind
from dispatcher.domain.tier import Tier
from dispatcher.lanes.heartbeats import SILENT
from dispatcher.service.messages.explain import explain
from dispatcher.service.messages.search import Event, History, MessageView
from dispatcher.service.messages.wait_words import cause_of
from tests.message_view import a_view

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
QUEUES = ("critical", "standard", "bulk", "clock", "system")
ALIVE: Mapping[str, datetime | None] = dict.fromkeys(QUEUES, NOW - SECOND)

MESSAGE = a_view(NOW)

READY = MESSAGE
SCHEDULED = replace(
    MESSAGE, status=Status.SCHEDULED, place=Place.HELD, not_before=NOW + HOUR, wake_at=NOW + HOUR
)
THROTTLED = replace(MESSAGE, place=Place.HELD, wake_at=NOW + 3 * SECOND)
RETRYING = replace(THROTTLED, attempt=2, provider="sandbox", reason="time-out")
LAST_TRIED = replace(RETRYING, wake_at=NOW + HOUR)
IN_LANE = replace(MESSAGE, place=Place.LANE, wake_at=NOW + 20 * SECOND)
GOING_OUT = replace(MESSAGE, place=Place.WORKER, attempt=1, provider="sandbox", wake_at=NOW + 30 * SECOND)
ABANDONED = replace(GOING_OUT, wake_at=NOW - 5 * SECOND)
SENT = replace(MESSAGE, status=Status.SENT, place=None, attempt=1, provider="sandbox", wake_at=NOW + 2 * HOUR)
UNRECEIPTED = replace(SENT, wake_at=None)


def explained(
    message: MessageView,
    events: Sequence[Event] = (),
    *,
    consumed: Mapping[str, datetime | None] | None = ALIVE,
) -> str:
    return " ".join(explain(History(message, events), now=NOW, consumed=consumed))


def event(status: Status, at: datetime, *, attempt: int = 0, reason: str = "") -> Event:
    return Event(1, at, status, "sandbox" if attempt else None, attempt, reason)


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (SCHEDULED, "It waits for its time, 2026-03-01 13:00:00.000 UTC (in 1 h)."),
        (
            replace(SCHEDULED, wake_at=NOW - 5 * SECOND, not_before=NOW - 5 * SECOND),
            "Its time has come, 2026-03-01 11:59:55.000 UTC (due for 5.0 s): where much is due at once,"
            " accounts and campaigns are released in turn.",
        ),
        (THROTTLED, "It waits for a token or a free connection of its provider (in 3.0 s)."),
        (
            replace(
                RETRYING,
                wait_kind=WaitKind.PROVIDER,
                waits_for="sandbox paused by ann (is it {paid}?)\nbackup failing",
                wait_since=NOW - 58 * SECOND,
            ),
            "No provider of its route takes messages: sandbox is paused by ann (is it {paid}?),"
            " backup is failing. It goes on when one does, and it is looked at again in 3.0 s;"
            " its window ends in 1 h.",
        ),
        (
            RETRYING,
            "It waits for try 3, at 2026-03-01 12:00:03.000 UTC (in 3.0 s);"
            " try 2 through sandbox ended with: time-out.",
        ),
        (
            LAST_TRIED,
            "No further try fits before its window ends (in 1 h);"
            " try 2 through sandbox ended with: time-out.",
        ),
        (READY, "It is due, and waits for room in the lane standard."),
        (
            IN_LANE,
            "It is in the lane standard since 2026-03-01 11:59:50.000 UTC (10 s),"
            " and waits for a worker, or in one for a token or a connection.",
        ),
        (replace(IN_LANE, wake_at=None), "It is in the lane standard."),
        (
            GOING_OUT,
            "Try 1 goes out through sandbox now;"
            " its worker has until 2026-03-01 12:00:30.000 UTC to report the result.",
        ),
        (
            ABANDONED,
            "Try 1 goes out through sandbox now, but its worker has not reported a result:"
            " the clock takes it back, in doubt.",
        ),
        (SENT, "sandbox has it; no receipt has come yet (overdue in 2 h)."),
        (
            replace(SENT, wake_at=NOW - 3 * SECOND),
            "sandbox has it; no receipt has come yet (overdue for 3.0 s).",
        ),
        (
            UNRECEIPTED,
            "No receipt came in time. It stays Sent, because nothing is guessed;"
            " a late receipt still counts.",
        ),
    ],
)
def test_the_sentence_of_a_message_on_its_way_says_what_it_waits_for(
    message: MessageView, sentence: str
) -> None:
    assert explained(message) == sentence


@pytest.mark.parametrize("status", [status for status in Status if status.is_final])
def test_every_end_has_a_sentence_with_its_time_and_reason(status: Status) -> None:
    message = replace(MESSAGE, status=status, place=None, charged=0)
    text = explained(message, [event(status, NOW, reason="because")])
    assert text.endswith(", at 2026-03-01 12:00:00.000 UTC (because).")


@pytest.mark.parametrize("status", [status for status in Status if status.is_final])
def test_a_refund_is_mentioned_if_credits_were_charged_and_no_provider_had_it(status: Status) -> None:
    events = [event(status, NOW)]
    message = replace(MESSAGE, status=status, place=None)
    assert ("Its credits were given back." in explained(message, events)) == status.is_refunded
    assert "given back" not in explained(replace(message, charged=0), events)


def test_an_end_has_its_own_time_not_that_of_an_earlier_correction() -> None:
    message = replace(MESSAGE, status=Status.RECEIVED, place=None)
    events = [
        event(Status.TOO_LATE, NOW - HOUR, reason="expired"),
        event(Status.RECEIVED, NOW, reason="late"),
    ]
    assert explained(message, events) == "The handset has it, at 2026-03-01 12:00:00.000 UTC (late)."


@pytest.mark.parametrize(
    ("doubts", "words"), [(1, "1 try ended without an answer"), (2, "2 tries ended without an answer")]
)
@pytest.mark.parametrize("status", [Status.PENDING, Status.GAVE_UP])
def test_a_doubt_is_mentioned_while_it_lasts(status: Status, doubts: int, words: str) -> None:
    message = replace(RETRYING, status=status, doubts=doubts)
    assert f"It is in doubt: {words}" in explained(message, [event(status, NOW)])


def test_a_doubt_is_over_when_the_provider_has_reported_the_result() -> None:
    message = replace(MESSAGE, status=Status.RECEIVED, place=None, doubts=1)
    assert "doubt" not in explained(message, [event(Status.RECEIVED, NOW)])


@pytest.mark.parametrize(
    ("message", "queue"),
    [
        (SCHEDULED, "clock"),
        (RETRYING, "clock"),
        (READY, "clock"),
        (GOING_OUT, "clock"),
        (IN_LANE, "standard"),
        (replace(IN_LANE, tier=Tier.CRITICAL), "critical"),
        (SENT, "system"),
    ],
)
def test_a_silent_worker_is_named_if_the_message_waits_for_it(message: MessageView, queue: str) -> None:
    start = f"is `dispatcher worker {queue}` running?"
    who = f"The worker {queue}, which moves it on,"
    assert f"{who} was never seen working: {start}" in explained(message, consumed={**ALIVE, queue: None})
    assert f"{who} was never seen working: {start}" in explained(message, consumed={})
    silent = {**ALIVE, queue: NOW - 2 * SILENT}
    assert f"{who} was last seen working 40 s ago: {start}" in explained(message, consumed=silent)
    assert "running?" not in explained(message, consumed={**ALIVE, queue: NOW - SILENT})
    others: Mapping[str, datetime | None] = dict.fromkeys(set(QUEUES) - {queue})
    assert "running?" not in explained(message, consumed={**others, queue: NOW})


def test_without_redis_a_message_on_its_way_is_said_to_wait_in_postgres() -> None:
    assert "Redis cannot be reached; it waits in Postgres" in explained(IN_LANE, consumed=None)


def test_no_worker_is_named_if_the_message_waits_for_none() -> None:
    ended = replace(MESSAGE, status=Status.FAILED, place=None)
    nothing: Sequence[Mapping[str, datetime | None] | None] = (None, {})
    for consumed in nothing:
        assert "Redis" not in explained(UNRECEIPTED, consumed=consumed)
        assert "running?" not in explained(UNRECEIPTED, consumed=consumed)
        assert explained(ended, [event(Status.FAILED, NOW)], consumed=consumed).count(". ") == 0


def test_a_prompt_delivery_to_a_provider_has_no_cause() -> None:
    taken = event(Status.SENT, MESSAGE.not_before + timedelta(milliseconds=120), attempt=1)
    assert explained(SENT, [taken]).endswith("sandbox took it 120 ms after its time, at try 1.")


def test_a_late_delivery_to_a_provider_lists_the_tries_before() -> None:
    due = MESSAGE.not_before
    events = [
        event(Status.PENDING, due, reason="due"),
        event(Status.PENDING, due + 2 * SECOND, attempt=1, reason="busy"),
        event(Status.SENT, due + 5 * SECOND, attempt=2),
    ]
    assert explained(SENT, events).endswith(
        "sandbox took it 5.0 s after its time, at try 2."
        " Before that: try 1 ended at 2026-03-01 11:00:02.000 UTC with 'busy'."
    )


def test_a_late_delivery_without_a_kept_wait_is_given_no_cause() -> None:
    taken = event(Status.SENT, MESSAGE.not_before + 5 * SECOND, attempt=1)
    assert explained(SENT, [taken]).endswith("at try 1. No wait of a second or more was recorded.")


def test_waits_that_are_over_are_explained_by_the_words_of_waits_that_last() -> None:
    pause = Wait(
        WaitKind.PROVIDER, "sandbox paused by root (unpaid bill)", NOW - 60 * SECOND, NOW - 2 * SECOND
    )
    held = replace(
        MESSAGE,
        place=Place.HELD,
        wake_at=NOW,
        wait_kind=pause.kind,
        waits_for=pause.detail,
        wait_since=pause.since,
    )
    assert "sandbox is paused by root (unpaid bill)" in explained(held)
    taken = event(Status.SENT, NOW, attempt=1)
    text = " ".join(explain(History(SENT, [taken], [pause]), now=NOW, consumed=ALIVE))
    assert text.endswith("It waited 58 s: sandbox was paused by root (unpaid bill).")


def test_of_many_waits_the_longest_are_named() -> None:
    waits = [
        Wait(WaitKind.TOKEN, f"p{number}", NOW, NOW + number * SECOND) for number in (9, 1, 8, 2, 7, 6, 5)
    ]
    text = " ".join(explain(History(SENT, [], waits), now=NOW, consumed=ALIVE))
    assert re.findall(r"rate of (p\d)", text) == ["p9", "p8", "p7", "p6", "p5"]
    assert text.endswith("; and 2 times more, shorter.")


@pytest.mark.parametrize("kind", WaitKind)
def test_every_kind_of_wait_has_words_for_now_and_for_later(kind: WaitKind) -> None:
    detail = {WaitKind.PROVIDER: "sim paused by {x}", WaitKind.RETRY: "1"}.get(kind, "{x}")
    tried = Event(1, NOW, Status.PENDING, "sim", 1, "busy {x}")
    history = History(MESSAGE, [tried])
    wait = Wait(kind, detail, NOW)
    now, then = cause_of(wait, history), cause_of(replace(wait, until=NOW), history)
    assert (now == then) == (kind is WaitKind.RETRY)
    if kind in {WaitKind.PROVIDER, WaitKind.TOKEN, WaitKind.SLOT, WaitKind.ANSWER, WaitKind.RETRY}:
        assert "{x}" in now
        assert "{x}" in then
