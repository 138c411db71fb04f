"""The document's own samples as OpenAPI."""

from collections.abc import Mapping
from typing import Any

from dispatcher.api.dialects.emsgnow.mapping import (
    INVALID_KEY,
    KEY_REQUIRED,
    NOT_RETRIEVED,
    NOT_SENT,
    RECEIVED,
    SMS_NOT_FOUND,
    TOO_OFTEN,
    WORDS,
)
from dispatcher.api.openapi import Responses, answer, body

_STATUSES = "\n".join(f"- `{word}`" for word in dict.fromkeys(WORDS.values()))

DESCRIPTION = f"Send SMS now or later, and follow their delivery.\n\nStatuses:\n\n{_STATUSES}"

_TRACKING_ID = "1234567890abcdef"
_CLIENT_ID = "23948729438slkdfjwkfjhsdfsdf"
_EVENT = {
    "id": "5mogLKKETFjg7c3eNNvH",
    "message": {
        "channel": "sms",
        "trackingId": _TRACKING_ID,
        "clientId": _CLIENT_ID,
        "status": "processing",
        "statusAt": "2024-11-10T02:48:08.019Z",
        "additionalInfo": {},
    },
    "timestamp": "2024-11-10T18:18:31.050Z",
}

DETAILS = {
    "to": "1234567890",
    "from": "XXXXXXXXXX",
    "message": "Utility Alert: We think your power is out",
    "clientId": _CLIENT_ID,
    "messageType": "sms",
    "trackingId": _TRACKING_ID,
    "notBefore": "2024-11-10T02:48:08.004Z",
    "notAfter": "2024-11-10T08:48:08.004Z",
    "created": "2024-11-10T18:18:31.050Z",
    "updated": "2024-11-10T18:18:31.050Z",
    "events": [_EVENT],
}
EVENTS = {"messageId": _TRACKING_ID, "events": [_EVENT]}
EVENT = {"messageId": _TRACKING_ID, **_EVENT}

SEND = body(
    {
        "messageType": "sms",
        "to": "+1234567890",
        "from": "XXXXXXXXXX",
        "message": "Hello, this is a test SMS message.",
        "clientId": _CLIENT_ID,
    },
    required=["to", "from"],
    schemas={
        "messageType": {"enum": ["sms"], "default": "sms"},
        "to": {
            "description": "The recipient in E.164 format; the plus may be left out.",
            "pattern": r"^\+?[1-9][0-9]{6,14}$",
        },
        "from": {"description": "A sender of the account."},
        "message": {
            "description": "The text. Required without `templateId`; with it, the template is used instead."
        },
        "templateId": {"type": "string", "description": "A template of the account."},
        "variables": {
            "type": "object",
            "description": "The value of each `{{name}}` in the template.",
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        },
        "notBefore": {
            "type": "string",
            "format": "date-time",
            "description": "A time in the past means now.",
        },
        "notAfter": {
            "type": "string",
            "format": "date-time",
            "description": "The message is not sent at this time or later.",
        },
        "callbackUrl": {
            "type": "string",
            "format": "uri",
            "description": "Each event is posted to this URL.",
        },
        "clientId": {"maxLength": 100, "default": ""},
    },
)

_QUOTA = {
    "X-RateLimit-Limit": "Requests per minute of the account.",
    "X-RateLimit-Remaining": "Requests that are left in the quota.",
    "X-RateLimit-Reset": "Seconds until the quota is full again.",
}
_LATER = {"Retry-After": "Seconds to wait."}


def _answer(text: str, example: object, headers: Mapping[str, str] = _QUOTA) -> dict[str, Any]:
    described = {name: {"description": what, "schema": {"type": "integer"}} for name, what in headers.items()}
    return answer(text, example) | {"headers": described}


def _error(text: str, error: str, headers: Mapping[str, str] = _QUOTA) -> dict[str, Any]:
    return _answer(text, {"error": error}, headers)


_SHARED: Responses = {
    401: _error("Unauthorized", KEY_REQUIRED),
    403: _error("Forbidden", INVALID_KEY),
    413: _error("Content Too Large", "The body is larger than 1048576 bytes"),
    429: _error("Too Many Requests", TOO_OFTEN, _QUOTA | _LATER),
}

SENT: Responses = {
    200: _answer("OK", {"message": RECEIVED, "trackingId": _TRACKING_ID}),
    400: _error("Bad Request", "from: is not a sender of this account"),
    402: _error("Payment Required", "the balance does not cover this submission; nothing was stored"),
    409: _error("Conflict", "the first request with this Idempotency-Key has not ended; try again"),
    415: _error("Unsupported Media Type", "The body must be JSON, not application/xml"),
    422: _error(
        "Unprocessable Content", "this Idempotency-Key came with another request before; take a new one"
    ),
    500: _error("Internal Server Error", NOT_SENT),
    503: _error("Service Unavailable", NOT_SENT, _QUOTA | _LATER),
    **_SHARED,
}


def found(example: object) -> Responses:
    """Return the description of responses about one SMS."""
    return {
        200: _answer("OK", example),
        404: _error("Not Found", SMS_NOT_FOUND),
        500: _error("Internal Server Error", NOT_RETRIEVED),
        503: _error("Service Unavailable", NOT_RETRIEVED, _QUOTA | _LATER),
        "default": _error("Any other error", "Method Not Allowed"),
        **_SHARED,
    }
