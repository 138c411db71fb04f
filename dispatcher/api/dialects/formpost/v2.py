"""v2: a key in a header or a parameter, fields in the query, a form or JSON; errors as Laravel has them."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from dispatcher.api.dialects.formpost import samples
from dispatcher.api.dialects.formpost.access import AskedFields, KeyHolder
from dispatcher.api.dialects.formpost.answers import Plain
from dispatcher.api.dialects.formpost.form import V2, Form
from dispatcher.api.dialects.formpost.sending import Errors, send, summary
from dispatcher.api.dialects.formpost.words import FAULTS, WORDS, unprocessable
from dispatcher.api.runtime import Ctx
from dispatcher.domain.submission import AcceptedBatch

router = APIRouter(tags=["v2: API key"], default_response_class=Plain)


@router.get("/api/v2/sms/send", openapi_extra=samples.QUERY, **samples.KEYED_SEND)
@router.post("/api/v2/sms/send", openapi_extra=samples.BODY, **samples.KEYED_SEND)
async def send_keyed(request: Request, ctx: Ctx, caller: KeyHolder, asked: AskedFields) -> Response:
    """
    One bad number, and nothing is sent; every fault is told at once.

    A GET sends too, and again when it is repeated: give an Idempotency-Key,
    or POST.
    """
    form = Form(asked.fields, V2, FAULTS)
    return await send(request, ctx, caller, form, answer=_sent, refuse=_refused)


@router.get("/api/v2/account/balance", summary="Get the account's balance", responses=samples.BALANCE_ANSWERS)
async def balance(caller: KeyHolder) -> Response:
    """A segment of a message costs a credit, unless the account has other prices."""
    return Plain({"balance": caller.account.balance, "currency": "credits"})


def _sent(batch: AcceptedBatch) -> Response:
    statuses = [WORDS[message.status] for message in batch.messages]
    return Plain({**summary(batch), "statuses": statuses})


def _refused(errors: Errors) -> Response:
    return Plain(unprocessable(errors), 422)
