"""The effect of a receipt on its message, in whatever order receipts and answers arrive."""

from dataclasses import dataclass, replace

from dispatcher.domain.messages.parts import PartsTaken
from dispatcher.domain.messages.status import AWAITING_RECEIPT, LATE_DELIVERY_RAISES, Place, Status


@dataclass(frozen=True, slots=True)
class PartReceipt:
    """The reference that a provider returned for a part in an attempt, and its reported status so far."""

    part: int
    attempt: int
    provider: str
    ref: str
    status: Status | None


@dataclass(frozen=True, slots=True)
class ReceiptTarget:
    """
    The state of a message to which a receipt is applied.

    `parts_taken` is set if its provider took its parts in several attempts.
    """

    status: Status
    place: Place | None
    attempt: int
    doubts: int
    parts: tuple[PartReceipt, ...] = ()
    parts_taken: PartsTaken | None = None


def apply_receipt(
    current: ReceiptTarget, reported: Status, *, provider: str, ref: str | None, attempt: int | None
) -> tuple[tuple[Status, ...], ReceiptTarget]:
    """
    Return the transitions that a receipt makes, in order, and the state of the message after them.

    `attempt` is the attempt that the provider's reference belongs to; None if
    the message was found by our own reference only. A receipt for a message
    that is still 11 also implies that it was accepted. A delivery counts for
    any attempt, once all parts are delivered of that attempt, which may have
    sent fewer than another did; a failure counts for the current attempt only.
    Where the parts were taken in several attempts, all parts must be delivered,
    each in any attempt, and a failure counts for the newest attempt that sent
    the part.
    """
    parts = _with_status(current.parts, reported, provider=provider, ref=ref)
    current = replace(current, parts=parts)
    target = _target(current, reported, provider=provider, attempt=attempt, ref=ref)
    if target is None:
        return (), current
    steps = (Status.SENT, target) if current.status is Status.PENDING else (target,)
    return steps, replace(current, status=target, place=None)


def _target(
    current: ReceiptTarget, reported: Status, *, provider: str, attempt: int | None, ref: str | None
) -> Status | None:
    raises = AWAITING_RECEIPT | LATE_DELIVERY_RAISES
    if reported is Status.RECEIVED:
        is_complete = _is_delivered(current, provider=provider, attempt=attempt)
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
        return attempt == current.attempt or _is_newest(current, attempt=attempt, ref=ref)
    if current.attempt == 1 and not current.doubts:
        return True  # there is no other attempt that it could be of
    if any(part.attempt == current.attempt and part.ref != ref for part in current.parts):
        return False  # the current attempt has references, and this is not one of them
    # The message is being sent again, so this may be the receipt of the attempt before.
    return not (current.place is Place.WORKER and current.doubts)


def _is_newest(current: ReceiptTarget, *, attempt: int, ref: str | None) -> bool:
    """Whether this reference of an earlier attempt is of a part that was taken then, and not sent since."""
    taken = current.parts_taken.numbers if current.parts_taken is not None else ()
    numbers = {part.part for part in current.parts if part.ref == ref and part.attempt == attempt}
    newer = {part.part for part in current.parts if part.attempt > attempt}
    return bool(numbers) and numbers.issubset(taken) and numbers.isdisjoint(newer)


def _is_delivered(current: ReceiptTarget, *, provider: str, attempt: int | None) -> bool:
    """Whether the handset has all parts, as far as their receipts say."""
    taken, parts = current.parts_taken, current.parts
    if parts and all(part.provider != provider for part in parts):
        taken = None  # the parts are with another provider, and this one has delivered the whole text
    if taken is not None and not taken.are_all:
        return False
    if attempt is None:
        return True
    known = {part.part for part in parts if part.provider == provider}
    if taken is None:
        parts = tuple(part for part in parts if part.attempt == attempt)
    delivered = {part.part for part in parts if part.status is Status.RECEIVED}
    return delivered.issuperset(known)


def _with_status(
    parts: tuple[PartReceipt, ...], reported: Status, *, provider: str, ref: str | None
) -> tuple[PartReceipt, ...]:
    return tuple(
        replace(part, status=reported)
        if part.provider == provider and part.ref == ref and part.status is not Status.RECEIVED
        else part
        for part in parts
    )
