"""Receipts for messages in every state."""

from itertools import permutations

import pytest

from dispatcher.domain.messages.parts import PartsTaken
from dispatcher.domain.messages.status import TRANSITIONS, Place, Status
from dispatcher.domain.receipts.receipt import PartReceipt, ReceiptTarget, apply_receipt

REPORTED = [Status.RECEIVED, Status.TOO_LATE, Status.UNREACHABLE, Status.FAILED, Status.BLOCKED]


def _apply(
    current: ReceiptTarget, status: Status, ref: str = "r", attempt: int | None = 1
) -> tuple[Status, ...]:
    return apply_receipt(current, status, provider="sim", ref=ref, attempt=attempt)[0]


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("reported", REPORTED)
def test_a_receipt_only_makes_transitions_the_table_allows(status: Status, reported: Status) -> None:
    at = status
    for step in _apply(ReceiptTarget(status, None, 1, 0), reported):
        assert step in TRANSITIONS[at]
        at = step


def test_a_delivery_wins_in_any_order() -> None:
    for order in permutations([Status.RECEIVED, Status.FAILED, Status.TOO_LATE]):
        current = ReceiptTarget(Status.SENT, None, 1, 0, (PartReceipt(1, 1, "sim", "r", None),))
        for reported in order:
            _, current = apply_receipt(current, reported, provider="sim", ref="r", attempt=1)
        assert current.status is Status.RECEIVED, order


def test_a_failure_of_an_earlier_try_does_not_count_but_its_delivery_does() -> None:
    current = ReceiptTarget(
        Status.SENT,
        None,
        2,
        1,
        (PartReceipt(1, 1, "sim", "old", None), PartReceipt(1, 2, "sim", "new", None)),
    )
    assert _apply(current, Status.FAILED, "old", 1) == ()
    assert _apply(current, Status.RECEIVED, "old", 1) == (Status.RECEIVED,)


def test_a_failure_with_only_our_reference_does_not_count_during_a_resend() -> None:
    resending = ReceiptTarget(Status.PENDING, Place.WORKER, 2, 1)
    assert _apply(resending, Status.FAILED, attempt=None) == ()
    first = ReceiptTarget(Status.PENDING, Place.WORKER, 1, 0)
    assert _apply(first, Status.FAILED, attempt=None) == (Status.SENT, Status.FAILED)


def test_one_delivered_part_does_not_deliver_the_message() -> None:
    current = ReceiptTarget(
        Status.SENT, None, 1, 0, (PartReceipt(1, 1, "sim", "a", None), PartReceipt(2, 1, "sim", "b", None))
    )
    steps, current = apply_receipt(current, Status.RECEIVED, provider="sim", ref="a", attempt=1)
    assert steps == ()
    assert _apply(current, Status.RECEIVED, "b", 1) == (Status.RECEIVED,)


def test_one_failed_part_fails_the_message() -> None:
    current = ReceiptTarget(
        Status.SENT, None, 1, 0, (PartReceipt(1, 1, "sim", "a", None), PartReceipt(2, 1, "sim", "b", None))
    )
    assert _apply(current, Status.FAILED, "b", 1) == (Status.FAILED,)


def test_the_parts_of_an_attempt_that_sent_fewer_than_another_do_not_deliver_the_message() -> None:
    current = ReceiptTarget(
        Status.SENT,
        None,
        2,
        1,
        (
            PartReceipt(1, 1, "sim", "a", None),
            PartReceipt(1, 2, "sim", "b", None),
            PartReceipt(2, 2, "sim", "c", None),
        ),
    )
    steps, current = apply_receipt(current, Status.RECEIVED, provider="sim", ref="a", attempt=1)
    assert steps == ()
    assert _apply(current, Status.RECEIVED, "c", 2) == ()
    _, current = apply_receipt(current, Status.RECEIVED, provider="sim", ref="c", attempt=2)
    assert _apply(current, Status.RECEIVED, "b", 2) == (Status.RECEIVED,)


def test_a_whole_text_of_one_provider_is_delivered_whatever_another_has_of_it() -> None:
    parts = (PartReceipt(1, 1, "one", "a", None), *[PartReceipt(n, 2, "sim", f"b{n}", None) for n in (1, 2)])
    steps, _ = apply_receipt(
        ReceiptTarget(Status.SENT, None, 2, 1, parts), Status.RECEIVED, provider="one", ref="a", attempt=1
    )
    assert steps == (Status.RECEIVED,)


def test_a_text_that_one_provider_delivered_is_delivered_though_another_has_only_a_part() -> None:
    current = ReceiptTarget(
        Status.PENDING, Place.HELD, 2, 1, (PartReceipt(1, 2, "sim", "a", None),), PartsTaken.read("100")
    )
    steps, _ = apply_receipt(current, Status.RECEIVED, provider="one", ref=None, attempt=None)
    assert steps == (Status.SENT, Status.RECEIVED)
    assert _apply(current, Status.RECEIVED, "a", 2) == ()
    assert _apply(current, Status.RECEIVED, "a", None) == ()
