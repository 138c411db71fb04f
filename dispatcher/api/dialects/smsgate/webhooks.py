"""Webhooks: their registration, and the bodies that are posted to them."""

from collections.abc import Mapping
from uuid import NAMESPACE_URL, uuid5

from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.dialects.smsgate import openapi_examples
from dispatcher.api.dialects.smsgate.auth import SECURITY, authorize
from dispatcher.api.dialects.smsgate.mapping import STATUSES, GatewayState, error_of, write_time
from dispatcher.api.dialects.smsgate.requests import Form
from dispatcher.api.dialects.smsgate.responses import device_id
from dispatcher.api.dialects.smsgate.submissions import check_device
from dispatcher.api.operations import Operations
from dispatcher.api.request_body import Json, read_object
from dispatcher.api.runtime import context_of
from dispatcher.domain.callbacks.events import InboundEvent, MessageEvent
from dispatcher.domain.callbacks.retries import PHONE_RETRIES
from dispatcher.domain.messages.status import Status
from dispatcher.service.callbacks import webhooks
from dispatcher.service.callbacks.sender import FormattedCallback, Signature
from dispatcher.service.callbacks.webhooks import Webhook

operations = Operations(tags=["Webhooks"], security=SECURITY)

RECEIVED = "sms:received"
_NOT_SENT = (
    "sms:data-received",
    "sms:batch:received",
    "sms:batch:data-received",
    "mms:received",
    "mms:downloaded",
    "mms:batch:received",
    "mms:batch:downloaded",
    "system:ping",
    "app:started",
)
EVENTS: dict[str, frozenset[Status]] = {
    "sms:sent": STATUSES[GatewayState.SENT],
    "sms:delivered": STATUSES[GatewayState.DELIVERED],
    "sms:failed": STATUSES[GatewayState.FAILED],
    "sms:cancelled": STATUSES[GatewayState.CANCELLED],
    **{event: frozenset() for event in (RECEIVED, *_NOT_SENT)},
}
"""Upstream's events, each with the statuses that cause it; RECEIVED is an inbound message."""

_MAX_ID_LENGTH = 36
_TIMES = {
    "sms:sent": "sentAt",
    "sms:delivered": "deliveredAt",
    "sms:failed": "failedAt",
    "sms:cancelled": "cancelledAt",
}


@operations.add("GET", "", summary="List webhooks", responses=openapi_examples.WEBHOOKS)
async def show_all(request: Request) -> Response:
    """The oldest first."""
    ctx, caller = context_of(request), await authorize(request, "webhooks:list")
    return Json([_webhook(webhook, None) for webhook in await webhooks.every(ctx, caller)])


@operations.add(
    "POST",
    "",
    summary="Register a webhook",
    request=openapi_examples.REGISTER,
    responses=openapi_examples.REGISTERED,
)
async def register(request: Request) -> Response:
    """A webhook with the same `id` is replaced, and switched on; without an `id`, one is generated."""
    ctx, caller = context_of(request), await authorize(request, "webhooks:write")
    form = Form(await read_object(request))
    name = form.name("id", max_length=_MAX_ID_LENGTH)
    url, event = form.take("url", str), form.take("event", str)
    check_device(form, device_id(caller.account.id))
    if not form.has("url"):
        form.faults.append("url is required")
    if event not in EVENTS:
        form.faults.append("invalid event type")
    form.check()
    made = await webhooks.register(
        ctx,
        caller,
        id=name,
        url=url or "",
        event=event or "",
        statuses=EVENTS[event or ""],
        inbound=event == RECEIVED,
    )
    return Json(_webhook(made, form.take("deviceId", str) or None), 201)


@operations.add(
    "DELETE", "/{webhook_id:path}", summary="Remove a webhook", responses=openapi_examples.REVOKED
)
async def remove(request: Request) -> Response:
    """An unknown webhook is no error."""
    ctx, caller = context_of(request), await authorize(request, "webhooks:delete")
    webhook_id = request.path_params["webhook_id"]
    await webhooks.remove(ctx, caller, webhook_id)
    return Response(status_code=204)


def format_event(event: MessageEvent) -> FormattedCallback:
    """Return the body for an event; its `id` is the same in every attempt."""
    payload: dict[str, object] = {
        "messageId": event.batch_id,
        "phoneNumber": event.number,
        "sender": event.sender or "",
        "recipient": event.number,
        "simNumber": None,
    }
    if (key := _TIMES.get(event.event)) is not None:
        payload[key] = write_time(event.at)
    if (error := error_of(event.status, event.reason)) is not None:
        payload["reason"] = error
    return _callback(event, f"{event.message_id}/{event.seq}", payload)


def format_inbound(event: InboundEvent) -> FormattedCallback:
    """
    Return the body for a message from a handset; its `id` is the same in every attempt.

    After a late part the event comes again, with the same `messageId` and the longer text.
    """
    payload = {
        "messageId": str(event.id),
        "message": event.text,
        "phoneNumber": event.number,
        "sender": event.number,
        "recipient": event.recipient,
        "simNumber": None,
        "receivedAt": write_time(event.at),
    }
    name = str(event.id) if event.seq == 1 else f"{event.id}/{event.seq}"
    return _callback(event, name, payload)


def _callback(
    event: MessageEvent | InboundEvent, name: str, payload: Mapping[str, object]
) -> FormattedCallback:
    body = {
        "id": str(uuid5(NAMESPACE_URL, f"{name}/{event.webhook_id}")),
        "webhookId": event.webhook_id,
        "event": event.event,
        "deviceId": device_id(event.account_id),
        "payload": payload,
    }
    return FormattedCallback(body, Signature.TIMESTAMPED, PHONE_RETRIES)


def _webhook(webhook: Webhook, device: str | None) -> Mapping[str, object]:
    """
    Return a webhook in a response; it gets the events of all messages, whatever its device.

    Upstream does not switch webhooks off: only those that are have more than its fields.
    """
    shown = {"id": webhook.id, "deviceId": device, "url": webhook.url, "event": webhook.event}
    if webhook.disabled_at is None:
        return shown
    why = webhooks.disabled_words(webhook)
    return {**shown, "disabledAt": write_time(webhook.disabled_at), "disabledReason": why}
