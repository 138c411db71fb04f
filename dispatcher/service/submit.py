"""Accepting a submission: all of it in one transaction. Committed means accepted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.errors import Fault, FaultKind, Forbidden, InvalidSubmission, NotEnoughCredit
from dispatcher.domain.status import Status
from dispatcher.domain.submission import (
    AcceptedBatch,
    AcceptedMessage,
    Answer,
    Caller,
    Once,
    Submission,
    WithoutCredit,
)
from dispatcher.domain.tier import PACE, Tier
from dispatcher.domain.window import Window
from dispatcher.service import brakes, once, templates
from dispatcher.service.births import Circumstances, bear
from dispatcher.service.context import Context
from dispatcher.service.examine import Examined, Recipient, examine
from dispatcher.service.room import has_room
from dispatcher.store import accounts, intake, ledger, opt_outs
from dispatcher.store.brakes import Earlier

BULK_ABOVE = 200


class _NotCovered(Exception):
    """Rolls the transaction back; the balance does not cover the batch."""


@dataclass(frozen=True, slots=True)
class _Order:
    """A submission that passed what can be judged without a transaction."""

    caller: Caller
    submission: Submission
    examined: Examined
    tier: Tier
    template_id: int | None
    once: Once | None


@dataclass(frozen=True, slots=True)
class _Accepted:
    """What a transaction accepted: `fresh` are the messages it made, maybe in their lane already."""

    batch: AcceptedBatch
    fresh: Sequence[AcceptedMessage]
    to_lane: bool
    answer: Answer | None


async def submit(ctx: Context, caller: Caller, submission: Submission) -> AcceptedBatch:
    """
    Accept a submission, or nothing of it.

    Raises InvalidSubmission with all faults together, NotEnoughCredit where
    the caller wants to be refused, TooMany when a brake holds it,
    AlreadyExists for an external id that is taken, Forbidden for a paused
    account, Unavailable when Postgres is away.
    """
    accepted = await _submit(ctx, caller, submission, None)
    assert isinstance(accepted, _Accepted)
    return accepted.batch


async def submit_once(ctx: Context, caller: Caller, submission: Submission, key: Once) -> tuple[Answer, bool]:
    """
    Accept a submission unless its key came before; give the answer, and whether it is a replayed one.

    Raises what `submit` does, and StillRunning and KeyReused.
    """
    accepted = await _submit(ctx, caller, submission, key)
    if isinstance(accepted, Answer):
        return accepted, True
    assert accepted.answer is not None
    return accepted.answer, False


async def check(ctx: Context, caller: Caller, submission: Submission) -> Sequence[Fault]:
    """Tell all faults of a submission and keep nothing: for a dialect that found faults of its own."""
    try:
        await _examined(ctx, caller, submission, None)
    except InvalidSubmission as error:
        return error.faults
    return await _sender_faults(ctx, caller, submission)


async def _submit(
    ctx: Context, caller: Caller, submission: Submission, key: Once | None
) -> _Accepted | Answer:
    if caller.account.paused:
        raise Forbidden(f"account {caller.account.name!r} is paused")
    order = await _examined(ctx, caller, submission, key)
    try:
        accepted = await ctx.database.transact(lambda c: _accept(ctx, c, order, covered=True))
    except _NotCovered:
        if submission.without_credit is WithoutCredit.REFUSE:
            raise NotEnoughCredit("the balance does not cover this submission; nothing was kept") from None
        accepted = await ctx.database.transact(lambda c: _accept(ctx, c, order, covered=False))
    if isinstance(accepted, _Accepted):
        _tell(ctx, accepted)
    return accepted


async def _examined(ctx: Context, caller: Caller, submission: Submission, key: Once | None) -> _Order:
    submission, template_id = await templates.filled(ctx, caller, submission)
    try:
        examined = await examine(ctx, submission)
    except InvalidSubmission as error:
        raise InvalidSubmission([*error.faults, *await _sender_faults(ctx, caller, submission)]) from None
    return _Order(caller, submission, examined, _tier(caller, submission), template_id, key)


def _tier(caller: Caller, submission: Submission) -> Tier:
    """Give the tier asked for, or that of the size; never above what the account may have."""
    wanted = submission.tier or (Tier.BULK if len(submission.recipients) > BULK_ABOVE else Tier.STANDARD)
    highest = caller.account.limits.tier or Tier.CRITICAL
    return max(wanted, highest, key=list(Tier).index)


async def _sender_faults(ctx: Context, caller: Caller, submission: Submission) -> list[Fault]:
    if not _names_a_sender(submission):
        return []
    found = await ctx.database.transact(lambda c: _sender(c, caller, submission))
    return [] if found else [_unknown_sender(submission)]


def _names_a_sender(submission: Submission) -> bool:
    return submission.sender_id is not None or submission.sender_name is not None


async def _sender(connection: AsyncConnection, caller: Caller, submission: Submission) -> int | None:
    if not (submission.sender_name or "").isprintable():
        return None  # what can be no name is nobody's, and Postgres takes no NUL
    return await accounts.find_sender(
        connection, caller.account.id, submission.sender_id, name=submission.sender_name
    )


def _unknown_sender(submission: Submission) -> Fault:
    named = submission.sender_name if submission.sender_id is None else submission.sender_id
    return Fault("sender_id", FaultKind.UNKNOWN_SENDER, str(named))


async def _accept(
    ctx: Context, connection: AsyncConnection, order: _Order, *, covered: bool
) -> _Accepted | Answer:
    caller, key = order.caller, order.once
    if key is not None and (answer := await once.earlier(ctx, connection, caller, key)) is not None:
        return answer
    joined = await brakes.hold(ctx, connection, caller, order.examined, order.tier)
    around = await _circumstances(ctx, connection, order, covered=covered)
    accepted = await _write(connection, order, around, joined)
    if key is not None:
        accepted = replace(accepted, answer=await once.keep(ctx, connection, caller, key, accepted.batch))
    on_its_way = sum(message.status in (Status.PENDING, Status.SCHEDULED) for message in accepted.fresh)
    await brakes.count(ctx, connection, caller, on_its_way)
    batch = accepted.batch
    if not await ledger.charge(connection, caller.account.id, batch.charged, batch_id=batch.id):
        raise _NotCovered
    return accepted


async def _circumstances(
    ctx: Context, connection: AsyncConnection, order: _Order, *, covered: bool
) -> Circumstances:
    """Read what all messages of the submission have in common. Raises InvalidSubmission."""
    now = ctx.now()
    account_id, numbers = order.caller.account.id, [r.number.e164 for r in order.examined.recipients]
    window = await _window(connection, order, now)
    sender_id = await _sender(connection, order.caller, order.submission)
    if sender_id is None and _names_a_sender(order.submission):
        raise InvalidSubmission([_unknown_sender(order.submission)])
    return Circumstances(
        ctx=ctx,
        caller=order.caller,
        tier=order.tier,
        window=window,
        now=now,
        sender_id=sender_id,
        opted_out=await opt_outs.among(connection, account_id, numbers, sender_id=sender_id),
        to_lane=window.not_before <= now and await has_room(connection, order.tier, len(numbers)),
        covered=covered,
    )


async def _window(connection: AsyncConnection, order: _Order, now: datetime) -> Window:
    submission, tier = order.submission, order.tier
    own = await accounts.validity(connection, order.caller.account.id, tier)
    validity = own or submission.default_validity or PACE[tier].validity
    try:
        return Window.of(
            now, not_before=submission.not_before, not_after=submission.not_after, validity=validity
        )
    except ValueError:
        raise InvalidSubmission(
            [Fault("not_after", FaultKind.WINDOW_OVER, str(submission.not_after))]
        ) from None


async def _write(
    connection: AsyncConnection, order: _Order, around: Circumstances, joined: Mapping[str, Earlier]
) -> _Accepted:
    """Write what is new; what repeats a message of a moment ago is answered with that one."""
    recipients, submission = order.examined.recipients, order.submission
    new = [recipient for recipient in recipients if recipient.number.e164 not in joined]
    if joined and not new:
        return _Accepted(_earlier_batch(order, around, joined), (), around.to_lane, None)
    messages = [bear(recipient, order.examined, around) for recipient in new]
    batch = intake.NewBatch(
        public_id=uuid4(),
        account_id=order.caller.account.id,
        dialect=order.caller.dialect,
        tier=order.tier,
        sender_id=around.sender_id,
        window=around.window,
        external_id=submission.external_id,
        client_id=submission.client_id,
        callback_url=submission.callback_url,
        template_id=order.template_id,
        traceparent=submission.traceparent,
    )
    batch_id, ids = await intake.insert(connection, batch, messages, now=around.now)
    fresh = [
        AcceptedMessage(id_, message.public_id, message.number_as_given, message.status, message.number)
        for id_, message in zip(ids, messages, strict=True)
    ]
    made = iter(fresh)
    accepted = AcceptedBatch(
        id=batch_id,
        public_id=batch.public_id,
        tier=order.tier,
        messages=[_repeated(r, joined) if r.number.e164 in joined else next(made) for r in recipients],
        charged=sum(message.charged for message in messages),
        window=around.window,
        accepted_at=around.now,
        external_id=batch.external_id,
        skipped=order.examined.skipped,
    )
    return _Accepted(accepted, fresh, around.to_lane, None)


def _repeated(recipient: Recipient, joined: Mapping[str, Earlier]) -> AcceptedMessage:
    earlier = joined[recipient.number.e164]
    return AcceptedMessage(earlier.id, earlier.public_id, recipient.given, earlier.status, earlier.number)


def _earlier_batch(order: _Order, around: Circumstances, joined: Mapping[str, Earlier]) -> AcceptedBatch:
    """Answer a submission that repeats another one with the batch which that one became."""
    first = next(iter(joined.values()))
    return AcceptedBatch(
        id=first.batch_id,
        public_id=first.batch_public_id,
        tier=order.tier,
        messages=[_repeated(recipient, joined) for recipient in order.examined.recipients],
        charged=0,
        window=around.window,
        accepted_at=first.created_at,
        external_id=first.external_id,
        skipped=order.examined.skipped,
    )


def _tell(ctx: Context, accepted: _Accepted) -> None:
    """Put what is due into its lane, or tell the clock; it finds everything by itself if this is lost."""
    batch = accepted.batch
    pending = [message.id for message in accepted.fresh if message.status is Status.PENDING]
    if pending and accepted.to_lane:
        ctx.lanes.publish(batch.tier, pending)
    elif pending or any(message.status is Status.SCHEDULED for message in accepted.fresh):
        ctx.lanes.wake(batch.window.not_before)
