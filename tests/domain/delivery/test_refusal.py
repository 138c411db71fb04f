"""A refusal is shown in the provider's words, without the number and the text of the message."""

from datetime import UTC, datetime

import pytest

from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    Outcome,
    PartlyAccepted,
    Rejected,
    Unknown,
    Unsent,
)
from dispatcher.domain.delivery.refusal import refusal_of
from dispatcher.domain.messages.status import Status

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NUMBER = "+254712345678"
TEXT = "Your code is 4711, valid for ten minutes"


@pytest.mark.parametrize(
    ("outcome", "expected", "of_account"),
    [
        (Rejected(Status.FAILED, "HTTP 400: no"), "rejected 38", False),
        (Deferred("HTTP 401", of_account=True), "deferred", True),
        (Deferred("HTTP 429"), "deferred", False),
        (Unsent("no connection"), "unsent", False),
        (PartlyAccepted(2, {1: "a"}, Deferred("HTTP 402", of_account=True)), "deferred", True),
    ],
)
def test_each_outcome_that_is_no_acceptance_is_a_refusal(
    outcome: Outcome, expected: str, of_account: bool
) -> None:
    refusal = refusal_of(outcome, number=NUMBER, text=TEXT, at=NOW)
    assert refusal is not None
    assert (refusal.outcome, refusal.of_account, refusal.at) == (expected, of_account, NOW)


@pytest.mark.parametrize("outcome", [Accepted(("a",)), Unknown("time-out")])
def test_a_message_that_the_provider_may_have_is_none(outcome: Outcome) -> None:
    assert refusal_of(outcome, number=NUMBER, text=TEXT, at=NOW) is None


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("HTTP 401: wrong key", "HTTP 401: wrong key"),
        ("21211: invalid number", "21211: invalid number"),
        (f"HTTP 400: {NUMBER} is invalid", "HTTP 400: … is invalid"),
        ("HTTP 400: 254712345678 is invalid", "HTTP 400: … is invalid"),
        ("HTTP 400: 0712 345-678 is invalid", "HTTP 400: … is invalid"),
        (f"HTTP 400: spam: {TEXT}", "HTTP 400: spam: …"),
        ("HTTP 400: 'code is 4711' is spam", "HTTP 400: '…' is spam"),
        ("HTTP 400: 4711?", "HTTP 400: …?"),
    ],
)
def test_the_words_are_shown_without_the_number_and_the_text(words: str, shown: str) -> None:
    refusal = refusal_of(Deferred(words), number=NUMBER, text=TEXT, at=NOW)
    assert refusal is not None
    assert "4711" not in refusal.words
    assert refusal.words == shown


@pytest.mark.parametrize("text", ["Hi", "7", ""])
def test_a_short_text_is_left_out_as_well(text: str) -> None:
    refusal = refusal_of(Deferred(f"no: <{text}>"), number=NUMBER, text=text, at=NOW)
    assert refusal is not None
    assert refusal.words == (f"no: <{'…' if text else ''}>")
