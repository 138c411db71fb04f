"""Receipts against every state a message can be in."""

from itertools import permutations

import pytest

from dispatcher.domain.messages.status import TRANSITIONS, Place, Status
from dispatcher.domain.receipts.receipt import PartReceipt, ReceiptTarget, apply_receipt

REPORTED = [Status.RECEIVED, Status.TOO_LATE, Status.UNREACHABLE, Status.FAILED, Status.BLOCKED]


def _read(
    current: ReceiptTarget, status: Status, ref: str = "r", attempt: int | None = 1
) -> tuple[Status, ...]:
    return apply_receipt(current, status, provider="sim", ref=ref, attempt=attempt)[0]


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("reported", REPORTED)
def test_a_receipt_only_makes_transitions_the_table_allows(status: Status, reported: Status) -> None:
    at = status
    for step in _read(ReceiptTarget(status, None, 1, 0), reported):
        assert step in TRANSITIONS[at]
        at = step


def test_whatever_the_order_a_delivery_wins() -> None:
    for order in permutations([Status.RECEIVED, Status.FAILED, Status.TOO_LATE]):
        current = ReceiptTarget(Status.SENT, None, 1, 0, (PartReceipt(1, "sim", "r", None),))
        for reported in order:
            _, current = apply_receipt(current, reported, provider="sim", ref="r", attempt=1)
        assert current.status is Status.RECEIVED, order


def test_a_failure_of_an_earlier_try_does_not_count_but_its_delivery_does() -> None:
    current = ReceiptTarget(
        Status.SENT, None, 2, 1, (PartReceipt(1, "sim", "old", None), PartReceipt(2, "sim", "new", None))
    )
    assert _read(current, Status.FAILED, "old", 1) == ()
    assert _read(current, Status.RECEIVED, "old", 1) == (Status.RECEIVED,)


def test_a_failure_that_names_only_us_does_not_count_while_a_resend_is_out() -> None:
    resending = ReceiptTarget(Status.PENDING, Place.WORKER, 2, 1)
    assert _read(resending, Status.FAILED, attempt=None) == ()
    first = ReceiptTarget(Status.PENDING, Place.WORKER, 1, 0)
    assert _read(first, Status.FAILED, attempt=None) == (Status.SENT, Status.FAILED)


def test_one_part_delivered_is_not_the_message_delivered() -> None:
    current = ReceiptTarget(
        Status.SENT, None, 1, 0, (PartReceipt(1, "sim", "a", None), PartReceipt(1, "sim", "b", None))
    )
    steps, current = apply_receipt(current, Status.RECEIVED, provider="sim", ref="a", attempt=1)
    assert steps == ()
    assert _read(current, Status.RECEIVED, "b", 1) == (Status.RECEIVED,)


def test_one_part_failed_fails_the_message() -> None:
    current = ReceiptTarget(
        Status.SENT, None, 1, 0, (PartReceipt(1, "sim", "a", None), PartReceipt(1, "sim", "b", None))
    )
    assert _read(current, Status.FAILED, "b", 1) == (Status.FAILED,)
