"""What a receipt makes of the message it names, whatever order receipts and answers come in."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dispatcher.domain.messages.status import AWAITING_RECEIPT, LATE_DELIVERY_RAISES, Place, Status


@dataclass(frozen=True, slots=True)
class PartReceipt:
    """One reference a provider gave for a try, and what was told of it so far."""

    attempt: int
    provider: str
    ref: str
    status: Status | None


@dataclass(frozen=True, slots=True)
class ReceiptTarget:
    """Where a message stands when a receipt comes."""

    status: Status
    place: Place | None
    attempt: int
    doubts: int
    parts: tuple[PartReceipt, ...] = ()


def apply_receipt(
    current: ReceiptTarget, reported: Status, *, provider: str, ref: str | None, attempt: int | None
) -> tuple[tuple[Status, ...], ReceiptTarget]:
    """
    Tell which moves a receipt makes, in order, and where the message stands after them.

    `attempt` is the try that the provider's reference belongs to, None when
    only our own reference named the message. A receipt for a message that is
    still 11 is its acceptance too. A delivery counts whichever try it belongs
    to, once all parts of that try are delivered; a failure only for the
    current try.
    """
    parts = _noted(current.parts, reported, provider=provider, ref=ref)
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
        whole = attempt is None or _all_delivered(current.parts, attempt)
        return Status.RECEIVED if whole and current.status in raises else None
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
    if any(part.attempt == current.attempt and part.ref != ref for part in current.parts):
        return False  # the current try has references of its own, and this is none of them
    # A resend is out: this may speak of the try before it.
    return not (current.place is Place.WORKER and current.doubts)


def _all_delivered(parts: Sequence[PartReceipt], attempt: int) -> bool:
    return all(part.status is Status.RECEIVED for part in parts if part.attempt == attempt)


def _noted(
    parts: tuple[PartReceipt, ...], reported: Status, *, provider: str, ref: str | None
) -> tuple[PartReceipt, ...]:
    return tuple(
        replace(part, status=reported)
        if part.provider == provider and part.ref == ref and part.status is not Status.RECEIVED
        else part
        for part in parts
    )
