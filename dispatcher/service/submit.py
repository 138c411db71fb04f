"""Submitting: judged, accepted in one transaction, and told to the lanes. Committed means accepted."""

from collections.abc import Sequence

from dispatcher.domain.errors import DispatchError, Fault, Forbidden, InvalidSubmission
from dispatcher.domain.status import Status
from dispatcher.domain.submission import AcceptedBatch, Answer, Caller, Once, Submission
from dispatcher.domain.tier import Tier
from dispatcher.service import brakes, routes, templates
from dispatcher.service.accept import accept, unknown_sender
from dispatcher.service.context import Batched, Context
from dispatcher.service.examine import examine
from dispatcher.service.order import Accepted, Order
from dispatcher.store import accounts

BULK_ABOVE = 200

_FEW = 20
"""
Up to so many recipients a submission shares its transaction with others. Larger ones hold nobody up, and
one that a brake must compare with those before it has them all committed.
"""

_ACCEPTING = Batched(accept)


async def submit(ctx: Context, caller: Caller, submission: Submission) -> AcceptedBatch:
    """
    Accept a submission, or nothing of it.

    Raises InvalidSubmission with all faults together, NotEnoughCredit where
    the caller wants to be refused, TooMany when a brake holds it,
    AlreadyExists for an external id that is taken, Forbidden for a paused
    account, Unavailable when Postgres is away.
    """
    accepted = await _submit(ctx, caller, submission, None)
    assert isinstance(accepted, Accepted)
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
        order = await _examined(ctx, caller, submission, None)
    except InvalidSubmission as error:
        return error.faults
    return await _sender_faults(ctx, caller, order.submission)


async def _submit(
    ctx: Context, caller: Caller, submission: Submission, key: Once | None
) -> Accepted | Answer:
    if caller.account.paused:
        raise Forbidden(f"account {caller.account.name!r} is paused")
    await routes.ready(ctx)
    order = await _examined(ctx, caller, submission, key)
    if len(submission.recipients) <= _FEW and not brakes.are_on(ctx, order.tier):
        outcome = await ctx.batcher(_ACCEPTING).run(order)
    else:
        [outcome] = await accept(ctx, [order])
    if isinstance(outcome, DispatchError):
        raise outcome
    if isinstance(outcome, Accepted):
        _tell(ctx, outcome)
    return outcome


async def _examined(ctx: Context, caller: Caller, submission: Submission, key: Once | None) -> Order:
    submission, template_id = await templates.filled(ctx, caller, submission)
    try:
        examined = await examine(ctx, submission)
    except InvalidSubmission as error:
        raise InvalidSubmission([*error.faults, *await _sender_faults(ctx, caller, submission)]) from None
    return Order(caller, submission, examined, _tier(caller, submission), template_id, key)


def _tier(caller: Caller, submission: Submission) -> Tier:
    """Give the tier asked for, or that of the size; never above what the account may have."""
    wanted = submission.tier or (Tier.BULK if len(submission.recipients) > BULK_ABOVE else Tier.STANDARD)
    highest = caller.account.limits.tier or Tier.CRITICAL
    return max(wanted, highest, key=list(Tier).index)


async def _sender_faults(ctx: Context, caller: Caller, submission: Submission) -> list[Fault]:
    if submission.sender_id is None and submission.sender_name is None:
        return []
    tier = _tier(caller, submission)
    wanted = accounts.Wanted(caller.account.id, tier, submission.sender_id, submission.sender_name)
    [terms] = await ctx.database.transact(lambda c: accounts.terms(c, [wanted]))
    return [] if terms.sender_id is not None else [unknown_sender(submission)]


def _tell(ctx: Context, accepted: Accepted) -> None:
    """Put what is due into its lane, or tell the clock; it finds everything by itself if this is lost."""
    batch = accepted.batch
    pending = [message.id for message in accepted.fresh if message.status is Status.PENDING]
    if pending and accepted.to_lane:
        ctx.lanes.publish(batch.tier, pending)
    elif pending or any(message.status is Status.SCHEDULED for message in accepted.fresh):
        ctx.lanes.wake(batch.window.not_before)
