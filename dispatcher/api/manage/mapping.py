"""Callback bodies for batches submitted over the management API, and for messages from handsets."""

from dispatcher.api.manage.fields import status_word
from dispatcher.domain.callbacks.events import InboundEvent, MessageEvent
from dispatcher.service.callbacks.sender import FormattedCallback, Signature

INBOUND_RECEIVED = "inbound.received"
"""The event of a message from a handset; `message.received` is a message that reached its recipient."""

INBOUND_UPDATED = "inbound.updated"
"""The event of a part that came after its message was forwarded; webhooks for the first event get it."""


def format_event(event: MessageEvent) -> FormattedCallback:
    """Return the callback of one event; its type is `message.` plus the status."""
    status = status_word(event.status)
    data = {
        "message_id": str(event.message_id),
        "batch_id": event.batch_id,
        "number": event.number,
        "status": status,
        "code": event.status.value,
        "reason": event.reason,
        "client_id": event.client_id,
    }
    body = {"type": f"message.{status}", "timestamp": event.at.isoformat(), "data": data}
    return FormattedCallback(body, Signature.STANDARD_WEBHOOKS)


def format_inbound(event: InboundEvent) -> FormattedCallback:
    """Return the callback of a message from a handset; its id is the same in every try."""
    data = {
        "inbound_id": str(event.id),
        "number": event.number,
        "recipient": event.recipient,
        "sender": event.sender,
        "text": event.text,
        "action": event.action,
        "sent_at": None if event.sent_at is None else event.sent_at.isoformat(),
        "parts": event.parts,
        "missing_parts": list(event.missing_parts),
    }
    body = {
        "type": event.event if event.seq == 1 else INBOUND_UPDATED,
        "timestamp": event.at.isoformat(),
        "data": data,
    }
    return FormattedCallback(body, Signature.STANDARD_WEBHOOKS)
