"""Accepting a submission: all of it in one transaction. Committed means accepted."""

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.errors import Fault, FaultKind, InvalidSubmission, NotEnoughCredit
from dispatcher.domain.msisdn import Msisdn
from dispatcher.domain.route import route
from dispatcher.domain.status import Place, Status
from dispatcher.domain.submission import (
    AcceptedBatch,
    AcceptedMessage,
    Caller,
    Submission,
    WithoutCredit,
)
from dispatcher.domain.tier import PACE, Tier
from dispatcher.domain.window import Window
from dispatcher.service.context import Context
from dispatcher.service.examine import Examined, examine
from dispatcher.service.room import has_room
from dispatcher.store import accounts, intake, ledger

BULK_ABOVE = 200


class _NotCovered(Exception):
    """Rolls the transaction back; the balance does not cover the batch."""


async def submit(ctx: Context, caller: Caller, submission: Submission) -> AcceptedBatch:
    """
    Accept a submission, or nothing of it.

    Raises InvalidSubmission with all faults together, NotEnoughCredit where
    the caller wants to be refused, Unavailable when Postgres is away.
    """
    try:
        examined = await examine(ctx, submission)
    except InvalidSubmission as error:
        raise InvalidSubmission([*error.faults, *await _sender_faults(ctx, caller, submission)]) from None
    tier = submission.tier or (Tier.BULK if len(submission.recipients) > BULK_ABOVE else Tier.STANDARD)
    try:
        batch, lane = await ctx.database.transact(
            lambda connection: _accept(ctx, connection, caller, submission, examined, tier, covered=True)
        )
    except _NotCovered:
        if submission.without_credit is WithoutCredit.REFUSE:
            raise NotEnoughCredit("the balance does not cover this submission; nothing was kept") from None
        batch, lane = await ctx.database.transact(
            lambda connection: _accept(ctx, connection, caller, submission, examined, tier, covered=False)
        )
    _tell(ctx, batch, lane, examined)
    return batch


async def check(ctx: Context, caller: Caller, submission: Submission) -> Sequence[Fault]:
    """Tell all faults of a submission and keep nothing: for a dialect that found faults of its own."""
    try:
        await examine(ctx, submission)
        faults: Sequence[Fault] = ()
    except InvalidSubmission as error:
        faults = error.faults
    return [*faults, *await _sender_faults(ctx, caller, submission)]


async def _sender_faults(ctx: Context, caller: Caller, submission: Submission) -> list[Fault]:
    wanted = submission.sender_id
    if wanted is None:
        return []
    found = await ctx.database.transact(lambda c: accounts.find_sender(c, caller.account.id, wanted))
    return [] if found else [_unknown_sender(wanted)]


def _unknown_sender(sender_id: int) -> Fault:
    return Fault("sender_id", FaultKind.UNKNOWN_SENDER, str(sender_id))


async def _accept(
    ctx: Context,
    connection: AsyncConnection,
    caller: Caller,
    submission: Submission,
    examined: Examined,
    tier: Tier,
    *,
    covered: bool,
) -> tuple[AcceptedBatch, bool]:
    now = ctx.now()
    window = await _window(connection, caller, submission, tier, now)
    sender_id = await accounts.find_sender(connection, caller.account.id, submission.sender_id)
    if submission.sender_id is not None and sender_id is None:
        raise InvalidSubmission([_unknown_sender(submission.sender_id)])
    lane = window.not_before <= now and await has_room(connection, tier, len(examined.numbers))
    births = [_birth(ctx, number, sender_id, covered=covered) for number in examined.numbers]
    messages = [
        _message(number, raw, birth, examined=examined, window=window, tier=tier, now=now, lane=lane)
        for number, raw, birth in zip(examined.numbers, submission.recipients, births, strict=True)
    ]
    new = intake.NewBatch(uuid4(), caller.account.id, caller.dialect, tier, sender_id, window)
    batch_id, ids = await intake.insert(connection, new, messages, now=now)
    charged = sum(message.charged for message in messages)
    if not await ledger.charge(connection, caller.account.id, charged, batch_id=batch_id):
        raise _NotCovered
    accepted = tuple(
        AcceptedMessage(id_, message.public_id, message.number_as_given, message.status)
        for id_, message in zip(ids, messages, strict=True)
    )
    return AcceptedBatch(batch_id, new.public_id, tier, accepted, charged, window), lane


async def _window(
    connection: AsyncConnection, caller: Caller, submission: Submission, tier: Tier, now: datetime
) -> Window:
    own = await accounts.validity(connection, caller.account.id, tier)
    validity = own or submission.default_validity or PACE[tier].validity
    try:
        return Window.of(
            now, not_before=submission.not_before, not_after=submission.not_after, validity=validity
        )
    except ValueError:
        raise InvalidSubmission(
            [Fault("not_after", FaultKind.WINDOW_OVER, str(submission.not_after))]
        ) from None


def _birth(ctx: Context, number: Msisdn, sender_id: int | None, *, covered: bool) -> Status | None:
    """Tell the status a message is born final in; None means that it is to be sent."""
    if sender_id is None:
        return Status.NO_SENDER
    if not route(number.country, [way.config for way in ctx.ways.values()]):
        return Status.NO_ROUTE
    return None if covered else Status.NO_CREDIT


_BIRTH_REASONS = {
    Status.NO_SENDER: "the account has no sender",
    Status.NO_ROUTE: "no provider serves this country",
    Status.NO_CREDIT: "the balance did not cover the batch",
}


def _message(
    number: Msisdn,
    raw: str,
    birth: Status | None,
    *,
    examined: Examined,
    window: Window,
    tier: Tier,
    now: datetime,
    lane: bool,
) -> intake.NewMessage:
    status, place, wake_at = birth, None, None
    if birth is None and window.not_before > now:
        status, place, wake_at = Status.SCHEDULED, Place.HELD, window.not_before
    elif birth is None:
        status, place = Status.PENDING, Place.LANE if lane else Place.READY
        wake_at = now + PACE[tier].requeue if lane else None
    assert status is not None
    return intake.NewMessage(
        public_id=uuid4(),
        number=number.e164,
        number_as_given=raw,
        country=number.country,
        text=examined.text,
        segments=examined.segments,
        charged=examined.segments if birth is None else 0,
        status=status,
        place=place,
        wake_at=wake_at,
        reason=_BIRTH_REASONS.get(status, "accepted"),
    )


def _tell(ctx: Context, batch: AcceptedBatch, lane: bool, examined: Examined) -> None:
    pending: Sequence[int] = [m.id for m in batch.messages if m.status is Status.PENDING]
    if pending and lane:
        ctx.lanes.publish(batch.tier, pending)
    elif pending or any(m.status is Status.SCHEDULED for m in batch.messages):
        ctx.lanes.wake(batch.window.not_before)
