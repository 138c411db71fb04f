"""The effect of a receipt on its message, in whatever order receipts and answers arrive."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dispatcher.domain.messages.status import AWAITING_RECEIPT, LATE_DELIVERY_RAISES, Place, Status


@dataclass(frozen=True, slots=True)
class PartReceipt:
    """One reference that a provider returned for an attempt, and the status reported for it so far."""

    attempt: int
    provider: str
    ref: str
    status: Status | None


@dataclass(frozen=True, slots=True)
class ReceiptTarget:
    """The state of a message to which a receipt is applied."""

    status: Status
    place: Place | None
    attempt: int
    doubts: int
    parts: tuple[PartReceipt, ...] = ()


def apply_receipt(
    current: ReceiptTarget, reported: Status, *, provider: str, ref: str | None, attempt: int | None
) -> tuple[tuple[Status, ...], ReceiptTarget]:
    """
    Return the transitions that a receipt makes, in order, and the state of the message after them.

    `attempt` is the attempt that the provider's reference belongs to; None if
    the message was found by our own reference only. A receipt for a message
    that is still 11 also implies that it was accepted. A delivery counts for
    any attempt, once all parts of that attempt are delivered; a failure
    counts for the current attempt only.
    """
    parts = _with_status(current.parts, reported, provider=provider, ref=ref)
    current = replace(current, parts=parts)
    target = _target(current, reported, attempt=attempt, ref=ref)
    if target is None:
        return (), current
    steps = (Status.SENT, target) if current.status is Status.PENDING else (target,)
    return steps, replace(current, status=target, place=None)


def _target(
    current: ReceiptTarget, reported: Status, *, attempt: int | None, ref: str | None
) -> Status | None:
    raises = AWAITING_RECEIPT | LATE_DELIVERY_RAISES
    if reported is Status.RECEIVED:
        is_complete = attempt is None or _all_delivered(current.parts, attempt)
        return Status.RECEIVED if is_complete and current.status in raises else None
    if (
        current.status in AWAITING_RECEIPT
        and reported.is_missed
        and _is_current(current, attempt=attempt, ref=ref)
    ):
        return reported
    return None


def _is_current(current: ReceiptTarget, *, attempt: int | None, ref: str | None) -> bool:
    if attempt is not None:
        return attempt == current.attempt
    if current.attempt == 1 and not current.doubts:
        return True  # there is no other attempt that it could be of
    if any(part.attempt == current.attempt and part.ref != ref for part in current.parts):
        return False  # the current attempt has references, and this is not one of them
    # The message is being sent again, so this may be the receipt of the attempt before.
    return not (current.place is Place.WORKER and current.doubts)


def _all_delivered(parts: Sequence[PartReceipt], attempt: int) -> bool:
    return all(part.status is Status.RECEIVED for part in parts if part.attempt == attempt)


def _with_status(
    parts: tuple[PartReceipt, ...], reported: Status, *, provider: str, ref: str | None
) -> tuple[PartReceipt, ...]:
    return tuple(
        replace(part, status=reported)
        if part.provider == provider and part.ref == ref and part.status is not Status.RECEIVED
        else part
        for part in parts
    )
