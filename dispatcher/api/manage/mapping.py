"""Callback bodies for batches submitted to the management API, and for messages from handsets."""

from dispatcher.api.manage.fields import word
from dispatcher.domain.callbacks.events import InboundEvent, MessageEvent
from dispatcher.service.callbacks.sender import FormattedCallback, Signature

INBOUND_RECEIVED = "inbound.received"
"""The event of a message from a handset; `message.received` is that of one that its recipient has."""


def wording(happening: MessageEvent) -> FormattedCallback:
    """Return the callback of one event; its type is `message.` and the status."""
    status = word(happening.status)
    data = {
        "message_id": str(happening.message_id),
        "batch_id": happening.batch_id,
        "number": happening.number,
        "status": status,
        "code": happening.status.value,
        "reason": happening.reason,
        "client_id": happening.client_id,
    }
    body = {"type": f"message.{status}", "timestamp": happening.at.isoformat(), "data": data}
    return FormattedCallback(body, Signature.STANDARD_WEBHOOKS)


def arrival(came: InboundEvent) -> FormattedCallback:
    """Return the callback of a message from a handset; its id is the same in every try."""
    data = {
        "inbound_id": str(came.id),
        "number": came.number,
        "recipient": came.recipient,
        "sender": came.sender,
        "text": came.text,
        "action": came.action,
        "sent_at": None if came.sent_at is None else came.sent_at.isoformat(),
    }
    body = {"type": came.event, "timestamp": came.at.isoformat(), "data": data}
    return FormattedCallback(body, Signature.STANDARD_WEBHOOKS)
