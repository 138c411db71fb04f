"""v2: a key in a header or a parameter, fields in the query, a form or JSON; Laravel's error format."""

from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.dialects.formpost import openapi_examples
from dispatcher.api.dialects.formpost.auth import KEY, all_fields, key_holder, read_request
from dispatcher.api.dialects.formpost.mapping import FAULTS, WORDS, unprocessable
from dispatcher.api.dialects.formpost.requests import V2, Form
from dispatcher.api.dialects.formpost.responses import JsonWithoutCharset
from dispatcher.api.dialects.formpost.sending import Errors, send, summary
from dispatcher.api.operations import Operations
from dispatcher.domain.messages.submission import AcceptedBatch

operations = Operations(tags=["v2: API key"], security=KEY)


@operations.add("GET", "/api/v2/sms/send", request=openapi_examples.QUERY, **openapi_examples.KEYED_SEND)
@operations.add("POST", "/api/v2/sms/send", request=openapi_examples.BODY, **openapi_examples.KEYED_SEND)
async def send_keyed(request: Request) -> Response:
    """
    With one invalid number, nothing is sent; an error lists all faults.

    A GET sends as well, and sends again if it is repeated: use an Idempotency-Key,
    or POST.
    """
    fields = await read_request(request)
    caller = await key_holder(request, fields)
    fields = await all_fields(request, fields)
    form = Form(fields.values, V2, FAULTS)
    return await send(request, caller, form=form, answer=_sent, refuse=_refused)


@operations.add(
    "GET",
    "/api/v2/account/balance",
    summary="Get the account's balance",
    responses=openapi_examples.BALANCE_ANSWERS,
)
async def balance(request: Request) -> Response:
    """A segment of a message costs one credit, unless the account has other prices."""
    caller = await key_holder(request, await read_request(request))
    return JsonWithoutCharset({"balance": caller.account.balance, "currency": "credits"})


def _sent(batch: AcceptedBatch) -> Response:
    statuses = [WORDS[message.status] for message in batch.messages]
    return JsonWithoutCharset({**summary(batch), "statuses": statuses})


def _refused(errors: Errors) -> Response:
    return JsonWithoutCharset(unprocessable(errors), 422)
