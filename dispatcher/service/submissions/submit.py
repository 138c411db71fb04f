"""Validates a submission, and accepts it in one transaction. Accepted means committed."""

from collections.abc import Sequence
from dataclasses import replace

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.errors import DispatchError, Fault, FaultKind, Forbidden, InvalidSubmission
from dispatcher.domain.messages.submission import AcceptedBatch, IdempotencyKey, StoredResponse, Submission
from dispatcher.domain.spelling import name_choices
from dispatcher.domain.tier import Tier
from dispatcher.service.context import Batched, Context
from dispatcher.service.routing import routes
from dispatcher.service.submissions import quotas, templates
from dispatcher.service.submissions.transaction import accept
from dispatcher.service.submissions.validate import (
    ValidatedSubmission,
    unknown_sender,
    validate_fields,
    window_faults,
)
from dispatcher.store.accounts import accounts, senders

BULK_ABOVE = 200

_FEW = 20
"""
The most recipients of a submission that shares its transaction with others. A larger one would delay the
others. Nor is a transaction shared while a quota compares submissions: all earlier ones must be committed.
"""

_ACCEPTING = Batched(accept)
_ANY_TEXT = "-"


async def submit(ctx: Context, caller: Caller, submission: Submission) -> AcceptedBatch:
    """
    Accept a submission as a whole, and return its batch.

    Raises InvalidSubmission with all faults together, NotEnoughCredit if the
    submission asks for that, LimitExceeded over a quota, AlreadyExists for an
    external id that is taken, Forbidden for a paused account, Unavailable when
    Postgres cannot be reached.
    """
    outcome = await _submit(ctx, caller, submission, None)
    assert isinstance(outcome, AcceptedBatch)
    return outcome


async def submit_once(
    ctx: Context, caller: Caller, submission: Submission, key: IdempotencyKey
) -> StoredResponse:
    """
    Accept a submission unless its key was used before; return the new or the stored response.

    Raises what `submit` does, and StillRunning and KeyReused.
    """
    outcome = await _submit(ctx, caller, submission, key)
    assert isinstance(outcome, StoredResponse)
    return outcome


async def prepare(
    ctx: Context, caller: Caller, submission: Submission, *, key: IdempotencyKey | None = None
) -> ValidatedSubmission:
    """Return a validated submission. Raises InvalidSubmission, and Forbidden for a paused account."""
    if caller.account.paused:
        raise Forbidden(f"account {caller.account.name!r} is paused")
    await routes.ensure_table(ctx)
    return await validate(ctx, caller, submission, key=key)


async def check(ctx: Context, caller: Caller, submission: Submission) -> Sequence[Fault]:
    """Return all faults of a submission without accepting it, for a dialect that found further faults."""
    try:
        validated = await validate(ctx, caller, submission)
    except InvalidSubmission as error:
        return error.faults
    submission = validated.submission
    return [*window_faults(ctx, submission), *await _sender_faults(ctx, caller, submission)]


async def _submit(
    ctx: Context, caller: Caller, submission: Submission, key: IdempotencyKey | None
) -> AcceptedBatch | StoredResponse:
    validated = await prepare(ctx, caller, submission, key=key)
    if quotas.are_on(ctx, validated.tier):
        # They lock the account, maybe for as long as an application keeps its transaction open.
        async with ctx.turns.turn(caller.account.id):
            [outcome] = await accept(ctx, [validated])
    elif len(submission.recipients) <= _FEW:
        outcome = await ctx.batcher(_ACCEPTING).run(validated)
    else:
        [outcome] = await accept(ctx, [validated])
    if isinstance(outcome, InvalidSubmission):
        raise InvalidSubmission(await _with_choices(ctx, caller, outcome.faults))
    if isinstance(outcome, DispatchError):
        raise outcome
    return outcome


async def validate(
    ctx: Context, caller: Caller, submission: Submission, *, key: IdempotencyKey | None = None
) -> ValidatedSubmission:
    """Return a submission with its template filled in and its numbers parsed. Raises InvalidSubmission."""
    tier, faults, template_id = _tier(caller, submission), list[Fault](), None
    try:
        submission, template_id = await templates.fill_in(ctx, caller, submission)
    except InvalidSubmission as error:
        faults += error.faults
        submission = replace(submission, text=_ANY_TEXT)  # it has no text of its own to be faulty
    try:
        validated = await validate_fields(
            ctx, caller, submission, tier=tier, template_id=template_id, key=key
        )
        if faults:
            faults += window_faults(ctx, submission)
    except InvalidSubmission as error:
        faults += error.faults
    if faults:
        raise InvalidSubmission([*faults, *await _sender_faults(ctx, caller, submission)])
    return validated


def _tier(caller: Caller, submission: Submission) -> Tier:
    """Return the requested tier, or one by the number of recipients; at most the account's highest tier."""
    tier = submission.tier or (Tier.BULK if len(submission.recipients) > BULK_ABOVE else Tier.STANDARD)
    highest = caller.account.limits.tier or Tier.CRITICAL
    return max(tier, highest, key=list(Tier).index)


async def _sender_faults(ctx: Context, caller: Caller, submission: Submission) -> list[Fault]:
    if submission.sender_id is None and submission.sender_name is None:
        return []
    tier = _tier(caller, submission)
    request = accounts.TermsRequest(caller.account.id, tier, submission.sender_id, submission.sender_name)
    [terms] = await ctx.database.transact(lambda c: accounts.terms(c, [request]))
    if terms.sender_id is not None:
        return []
    return await _with_choices(ctx, caller, [unknown_sender(submission)])


async def _with_choices(ctx: Context, caller: Caller, faults: Sequence[Fault]) -> list[Fault]:
    """Return the faults; that of an unknown sender names those which the account may use."""
    if all(fault.kind is not FaultKind.UNKNOWN_SENDER or fault.advice for fault in faults):
        return list(faults)
    known = await ctx.database.single(lambda c: senders.list_all(c, caller.account.id))
    usable = [sender.name for sender in known if sender.disabled_at is None]
    return [
        replace(fault, advice=name_choices(fault.value, usable))
        if fault.kind is FaultKind.UNKNOWN_SENDER
        else fault
        for fault in faults
    ]
