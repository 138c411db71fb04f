"""Sending for both surfaces, which differ in the names of fields and the words of responses."""

from collections.abc import Callable, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.dialects.formpost.requests import Form
from dispatcher.api.idempotency import accept
from dispatcher.api.runtime import context_of
from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.errors import InvalidSubmission
from dispatcher.domain.messages.submission import AcceptedBatch
from dispatcher.service.submissions.submit import check

Errors = Mapping[str, Sequence[str]]


async def send(
    request: Request,
    caller: Caller,
    *,
    form: Form,
    answer: Callable[[AcceptedBatch], Response],
    refuse: Callable[[Errors], Response],
) -> Response:
    """Return the response for an accepted batch, or one with all faults if nothing was accepted."""
    ctx = context_of(request)
    submission = form.submission(caller, simulated=ctx.settings.simulated_numbers)
    if form.is_faulty:
        return refuse(form.errors(await check(ctx, caller, submission)))
    try:
        return await accept(request, ctx, caller, submission, answer=answer)
    except InvalidSubmission as error:
        return refuse(form.errors(error.faults))


def summary(batch: AcceptedBatch) -> dict[str, object]:
    """Return the fields of a response that both surfaces have."""
    return {
        "success": True,
        "message": "SMS sent successfully",
        "batch_id": str(batch.public_id),
        "message_ids": [str(message.public_id) for message in batch.messages],
        "recipients": len(batch.messages),
    }
