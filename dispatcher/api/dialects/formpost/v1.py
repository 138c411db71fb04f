"""v1: a form post with user name and password; errors are {"error": "…."}."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from dispatcher.api.dialects.formpost import samples
from dispatcher.api.dialects.formpost.access import AskedFields, User
from dispatcher.api.dialects.formpost.answers import Plain
from dispatcher.api.dialects.formpost.form import V1, Form
from dispatcher.api.dialects.formpost.sending import Errors, send, summary
from dispatcher.api.dialects.formpost.words import FORM_FAULTS
from dispatcher.api.runtime import Ctx
from dispatcher.domain.submission import AcceptedBatch

router = APIRouter(tags=["v1: user name and password"], default_response_class=Plain)


@router.post("/v1/sms/send", **samples.FORM_SEND)
@router.post("/api/v1/sms/send", **samples.FORM_SEND)
async def send_form(request: Request, ctx: Ctx, caller: User, asked: AskedFields) -> Response:
    """The fields may be in the URL or in a form. One bad number, and nothing is sent."""
    form = Form(asked.fields, V1, FORM_FAULTS)
    return await send(request, ctx, caller, form, answer=_sent, refuse=_refused)


def _sent(batch: AcceptedBatch) -> Response:
    return Plain(summary(batch))


def _refused(errors: Errors) -> Response:
    """Tell the first of what is wrong: this surface has room for one."""
    return Plain({"error": next(iter(errors.values()))[0]}, 400)
