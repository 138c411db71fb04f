"""Sending, the same for both surfaces: what differs is the fields' names and the words of the answers."""

from collections.abc import Callable, Mapping, Sequence

from fastapi import Request
from starlette.responses import Response

from dispatcher.api.dialects.formpost.form import Form
from dispatcher.api.idempotency import accept
from dispatcher.domain.errors import InvalidSubmission
from dispatcher.domain.submission import AcceptedBatch, Caller
from dispatcher.service.context import Context
from dispatcher.service.submit import check

Errors = Mapping[str, Sequence[str]]


async def send(
    request: Request,
    ctx: Context,
    caller: Caller,
    form: Form,
    *,
    answer: Callable[[AcceptedBatch], Response],
    refuse: Callable[[Errors], Response],
) -> Response:
    """Accept all of it, or nothing and tell every fault."""
    submission = form.submission(caller, simulated=ctx.settings.simulated_numbers)
    if form.is_faulty:
        return refuse(form.errors(await check(ctx, caller, submission)))
    try:
        return await accept(request, ctx, caller, submission, answer=answer)
    except InvalidSubmission as error:
        return refuse(form.errors(error.faults))


def summary(batch: AcceptedBatch) -> dict[str, object]:
    """Tell what a message became."""
    return {
        "success": True,
        "message": "SMS sent successfully",
        "batch_id": str(batch.public_id),
        "message_ids": [str(message.public_id) for message in batch.messages],
        "recipients": len(batch.messages),
    }
