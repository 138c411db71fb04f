"""
Received messages, and the log of a phone, which only a gateway with phones has.

The messages and queries are upstream's: `docs/features/reading-messages.md` of its
documentation, and `smsgateway/requests_inbox.go` and `dto_inbox.go` of its Go client.
"""

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.dialects.smsgate import openapi_examples, queries
from dispatcher.api.dialects.smsgate.auth import SECURITY, authorize
from dispatcher.api.dialects.smsgate.mapping import KINDS, write_time
from dispatcher.api.dialects.smsgate.requests import Form
from dispatcher.api.dialects.smsgate.responses import device_id
from dispatcher.api.dialects.smsgate.submissions import check_device
from dispatcher.api.operations import Operations
from dispatcher.api.request_body import Json, read_object
from dispatcher.api.runtime import context_of
from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.errors import Invalid, NotFound
from dispatcher.service.context import Context
from dispatcher.service.inbound import messages
from dispatcher.service.inbound.messages import FoundInbound
from dispatcher.service.messages.search import CountedPage

operations = Operations(tags=["Inbox and logs"], security=SECURITY)
export_operations = Operations(tags=["Inbox and logs"], security=SECURITY)

NO_LOGS = "There are no device logs: messages are sent through providers"
_DEFAULT_LIMIT = 50
_MAX_LIMIT = 500


@operations.add(
    "GET",
    "/inbox",
    summary="List received messages",
    request=openapi_examples.INBOX,
    responses=openapi_examples.RECEIVED,
)
async def show_all(request: Request) -> Response:
    """The newest come first. `X-Total-Count` is the total number."""
    ctx, caller = context_of(request), await authorize(request, "inbox:list")
    query, device = request.query_params, device_id(caller.account.id)
    kind = query.get("type") or "SMS"
    if kind not in KINDS:
        raise Invalid(f"type must be one of {', '.join(KINDS)}")
    since, until = queries.read_time(query, "from"), queries.read_time(query, "to")
    skip, limit = (
        queries.read_skip(query),
        queries.read_limit(query, default=_DEFAULT_LIMIT, maximum=_MAX_LIMIT),
    )
    found: CountedPage[FoundInbound] = CountedPage((), 0)
    if kind == "SMS" and query.get("deviceId", device) == device:
        found = await messages.in_period(ctx, caller, since=since, until=until, skip=skip, limit=limit)
    return Json(list(map(_received, found.items)), headers={"X-Total-Count": str(found.total)})


@operations.add(
    "GET",
    "/inbox/{message_id}/attachments/{part_id}",
    summary="Download an attachment",
    responses=openapi_examples.NO_ATTACHMENT,
)
async def attachment(request: Request) -> Response:
    """Always 404: MMS are not received."""
    await authorize(request, "inbox:list")
    raise NotFound("attachment not found")


@operations.add(
    "POST",
    "/inbox/refresh",
    summary="Refresh the inbox",
    request=openapi_examples.REFRESH,
    responses=openapi_examples.ACCEPTED,
)
async def refresh(request: Request) -> Response:
    """The inbox is always up to date. With `triggerWebhooks`, the webhooks of a period are sent again."""
    ctx, caller = context_of(request), await authorize(request, "inbox:refresh")
    form = Form(await read_object(request))
    repeats = form.take("triggerWebhooks", bool) or form.take("webhookDelivery", str) == "Individual"
    await _repeat_webhooks(ctx, caller, form, repeats=repeats)
    return Json({}, 202)


@export_operations.add(
    "POST",
    "/export",
    summary="Export the inbox",
    is_deprecated=True,
    request=openapi_examples.PERIOD,
    responses=openapi_examples.ACCEPTED,
)
async def export(request: Request) -> Response:
    """The webhooks of a period are sent again. `/inbox/refresh` is the newer operation for it."""
    ctx, caller = context_of(request), await authorize(request, "messages:export")
    await _repeat_webhooks(ctx, caller, Form(await read_object(request)), repeats=True)
    return Json({}, 202, headers={"Deprecation": "true"})


@operations.add("GET", "/logs", summary="Read a device's log", responses=openapi_examples.missing(NO_LOGS))
async def logs(request: Request) -> Response:
    """Not implemented: there is no device with a log."""
    await authorize(request, "logs:read")
    raise HTTPException(501, NO_LOGS)


async def _repeat_webhooks(ctx: Context, caller: Caller, form: Form, *, repeats: bool) -> None:
    """Send the webhooks of a period again, if `repeats`. Raises Invalid for a period that is not valid."""
    check_device(form, device_id(caller.account.id))
    since, until = form.time("since"), form.time("until")
    if not (form.has("since") and form.has("until")):
        form.faults.append("since and until are required")
    elif since is not None and until is not None and until < since:
        form.faults.append("until must not be before since")
    form.check()
    if repeats and since is not None and until is not None:
        await messages.replay(ctx, caller, since=since, until=until)


def _received(message: FoundInbound) -> Mapping[str, object]:
    return {
        "id": str(message.public_id),
        "type": "SMS",
        "sender": message.number,
        "recipient": message.recipient,
        "simNumber": None,
        "contentPreview": message.text,
        "createdAt": write_time(message.received_at),
    }
