"""v1: a form post with user name and password; errors are {"error": "…."}."""

from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.dialects.formpost import openapi_examples
from dispatcher.api.dialects.formpost.auth import all_fields, read_request, user
from dispatcher.api.dialects.formpost.mapping import FORM_FAULTS
from dispatcher.api.dialects.formpost.requests import V1, Form
from dispatcher.api.dialects.formpost.responses import JsonWithoutCharset
from dispatcher.api.dialects.formpost.sending import Errors, send, summary
from dispatcher.api.operations import Operations
from dispatcher.domain.messages.submission import AcceptedBatch

operations = Operations(tags=["v1: user name and password"])


@operations.add("POST", "/v1/sms/send", **openapi_examples.FORM_SEND)
@operations.add("POST", "/api/v1/sms/send", **openapi_examples.FORM_SEND)
async def send_form(request: Request) -> Response:
    """The fields may be in the URL or in a form. With one invalid number, nothing is sent."""
    fields = await read_request(request)
    caller = await user(request, fields)
    fields = await all_fields(request, fields)
    form = Form(fields.values, V1, FORM_FAULTS)
    return await send(request, caller, form=form, answer=_sent, refuse=_refused)


def _sent(batch: AcceptedBatch) -> Response:
    return JsonWithoutCharset(summary(batch))


def _refused(errors: Errors) -> Response:
    """Return the first fault: this surface has room for one."""
    return JsonWithoutCharset({"error": next(iter(errors.values()))[0]}, 400)
