"""Sending, for both surfaces: they differ in the names of the fields and the words of the responses."""

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
    """Accept all of it, or nothing and return every fault."""
    ctx = context_of(request)
    submission = form.submission(caller, simulated=ctx.settings.simulated_numbers)
    if form.is_faulty:
        return refuse(form.errors(await check(ctx, caller, submission)))
    try:
        return await accept(request, ctx, caller, submission, answer=answer)
    except InvalidSubmission as error:
        return refuse(form.errors(error.faults))


def summary(batch: AcceptedBatch) -> dict[str, object]:
    """Return the fields that both surfaces answer with."""
    return {
        "success": True,
        "message": "SMS sent successfully",
        "batch_id": str(batch.public_id),
        "message_ids": [str(message.public_id) for message in batch.messages],
        "recipients": len(batch.messages),
    }
