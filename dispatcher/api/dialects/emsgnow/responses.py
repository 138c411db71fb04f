"""The document's objects: an SMS with its events, one event, and the callback of one."""

from collections.abc import Mapping
from datetime import UTC, datetime

from dispatcher.api.dialects.emsgnow.mapping import DOCUMENTED, WORDS
from dispatcher.domain.callbacks.events import MessageEvent
from dispatcher.domain.messages.status import Status
from dispatcher.service.callbacks.sender import FormattedCallback, Signature
from dispatcher.service.messages.search import Event, History

MESSAGE_TYPE = "sms"

_AnyEvent = Event | MessageEvent


def details(history: History) -> Mapping[str, object]:
    """Return one SMS with its events."""
    message = history.message
    tracking_id = message.public_id.hex
    return {
        "to": message.number_as_given,
        "from": message.sender or "",
        "message": message.text,
        "clientId": message.client_id,
        "messageType": MESSAGE_TYPE,
        "trackingId": tracking_id,
        "notBefore": _time(message.not_before),
        "notAfter": _time(message.not_after),
        "created": _time(message.created_at),
        "updated": _time(message.moved_at),
        "events": [event(tracking_id, message.client_id, item) for item in history.events],
    }


def event(tracking_id: str, client_id: str, source: _AnyEvent) -> Mapping[str, object]:
    """Return an event as in a list of events."""
    at = _time(source.at)
    return {
        "id": event_id(tracking_id, source.seq),
        "message": {
            "channel": MESSAGE_TYPE,
            "trackingId": tracking_id,
            "clientId": client_id,
            "status": WORDS[source.status],
            "statusAt": at,
            "additionalInfo": _additional(source.status, source.reason),
        },
        "timestamp": at,
    }


def single_event(tracking_id: str, client_id: str, source: _AnyEvent) -> Mapping[str, object]:
    """Return an event as a response of its own."""
    return {"messageId": tracking_id, **event(tracking_id, client_id, source)}


def event_id(tracking_id: str, seq: int) -> str:
    """Return the id of an event. It contains the id of the SMS, so it is unique."""
    return f"{tracking_id}-{seq}"


def format_event(event: MessageEvent) -> FormattedCallback:
    """Return the callback for an event: the event as a response of its own."""
    body = single_event(event.message_id.hex, event.client_id, event)
    return FormattedCallback(body, Signature.STANDARD_WEBHOOKS)


def _additional(status: Status, reason: str) -> Mapping[str, object]:
    return {} if status in DOCUMENTED else {"code": status.value, "reason": reason}


def _time(at: datetime) -> str:
    """Format a time as the document does: 2024-11-10T02:48:08.004Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
