"""The document's own samples as OpenAPI, and upstream's where it has none."""

from http import HTTPStatus
from typing import Any

from dispatcher.api.dialects.smsgate.mapping import DUPLICATE, KINDS, MESSAGES, WORDS, GatewayState
from dispatcher.api.openapi import Responses, answer, body

_STATES = "\n".join(
    f"- `{state}`" for state in GatewayState if any(word.state is state for word in WORDS.values())
)
_DEVICE = "PyDmBQZZXYmyxMwED8Fzy"
_NUMBER = "+12025550100"
_AT = "2026-05-17T09:32:11.421Z"
_ID = "c6f1f7cc-97c1-44a2-99fb-83c4b3f9ef4c"

DESCRIPTION = (
    "Send SMS, follow them, cancel them; get their events at a webhook. Works with the clients of"
    f" SMS Gateway for Android.\n\nStates of a message, and of each recipient:\n\n{_STATES}"
)

_MESSAGES = {
    400: "phone numbers must be unique",
    401: MESSAGES[401],
    402: "the balance does not cover this submission; nothing was stored",
    403: "scope required: messages:send",
    404: MESSAGES[404],
    409: DUPLICATE,
    413: "The body is larger than 1048576 bytes",
    415: "The body must be JSON, not text/xml",
    422: "this Idempotency-Key came with another request before; take a new one",
    429: "too many requests",
    500: "Internal server error",
    501: "token service disabled, contact your administrator",
    503: "the database cannot be reached; try again",
}
_CALLER = (401, 403, 429, 500, 503)
_BODY = (400, 413, 415)


def _fault(status: int, message: str | None = None) -> dict[str, Any]:
    return answer(HTTPStatus(status).phrase, {"message": message or _MESSAGES[status], "code": status})


def _answers(good: Responses, *statuses: int) -> Responses:
    other = answer("Any other error", {"message": "Method Not Allowed", "code": 405})
    return {**good, **{status: _fault(status) for status in sorted({*_CALLER, *statuses})}, "default": other}


def _header(text: str, kind: str = "string") -> dict[str, Any]:
    return {"description": text, "schema": {"type": kind}}


def _state(state: str) -> dict[str, Any]:
    return {
        "id": _ID,
        "deviceId": _DEVICE,
        "state": state,
        "isHashed": False,
        "isEncrypted": False,
        "recipients": [{"phoneNumber": _NUMBER, "state": state, "error": None}],
        "states": {state: _AT},
        "createdAt": _AT,
    }


def _query(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": text}


_BOOLEAN: dict[str, Any] = {"type": "boolean", "default": False}
_MOMENT = {"type": "string", "format": "date-time"}
_COUNT = {"type": "integer", "minimum": 0, "default": 0}

SEND = body(
    {
        "phoneNumbers": [_NUMBER],
        "textMessage": {"text": "Hello from API"},
        "withDeliveryReport": True,
    },
    required=["phoneNumbers"],
    schemas={
        "phoneNumbers": {"minItems": 1, "maxItems": 100},
        "textMessage": {"required": ["text"]},
        "message": {"type": "string", "deprecated": True, "description": "The same as `textMessage.text`."},
        "withDeliveryReport": {
            "default": True,
            "description": "Accepted and ignored: receipts are always requested.",
        },
        "id": {"type": "string", "maxLength": 36, "description": "Your own id, unique in the account."},
        "deviceId": {"type": "string", "maxLength": 21, "description": "The device of `GET /devices`."},
        "simNumber": {
            "type": "integer",
            "minimum": 1,
            "maximum": 3,
            "description": "The account's first, second or third sender. If left out, the default one.",
        },
        "priority": {
            "type": "integer",
            "minimum": -128,
            "maximum": 127,
            "default": 0,
            "description": "Below 0 is bulk, 100 and above is critical.",
        },
        "ttl": {"type": "integer", "minimum": 5, "description": "Seconds from now; excludes `validUntil`."},
        "scheduleAt": {**_MOMENT, "description": "In the future."},
        "validUntil": {**_MOMENT, "description": "In the future, and not before `scheduleAt`."},
    },
) | {
    "parameters": [
        _query("skipPhoneValidation", _BOOLEAN, "Accept any number in a valid format."),
        _query("deviceActiveWithin", _COUNT, "Accepted and ignored: the device is always active."),
    ]
}
_STATE_RESPONSE = answer("The message's state", _state("Pending")) | {
    "headers": {"Location": _header("The URL of the message")}
}
SENT = _answers(
    {200: _STATE_RESPONSE, 202: {**_STATE_RESPONSE, "description": "The same, with upstream's status"}},
    402,
    409,
    422,
    *_BODY,
)

LIST = {
    "parameters": [
        _query("skip", _COUNT, "The number to skip."),
        _query("offset", _COUNT, "Upstream's name for `skip`."),
        _query("limit", {"type": "integer", "default": 20}, "From 1 to 100; other values are limited to it."),
        _query("from", _MOMENT, "Accepted at this time or later."),
        _query("to", _MOMENT, "Accepted before this time."),
        _query("state", {"type": "string", "enum": list(GatewayState)}, "Messages in this state only."),
        _query("deviceId", {"type": "string"}, "Messages of this device only."),
        _query("includeContent", _BOOLEAN, "Include the texts."),
        _query(
            "sort",
            {"type": "string", "enum": ["created_at", "-created_at"], "default": "-created_at"},
            "Order.",
        ),
    ]
}
LISTED = _answers(
    {
        200: answer("Messages", [_state("Pending")])
        | {"headers": {"X-Total-Count": _header("The total number", "integer")}}
    },
    400,
)
_DETAILS = {**_state("Delivered"), "textMessage": {"text": "Hello from API"}}
STATE = _answers({200: answer("The message's state", _DETAILS)}, 404)
CANCELLED = _answers(
    {
        200: answer(
            "The message's new state", {**_state("Cancelled"), "textMessage": {"text": "Hello from API"}}
        )
    },
    404,
    409,
)

DEVICES = _answers(
    {
        200: answer(
            "The account's device",
            [
                {
                    "id": _DEVICE,
                    "name": "shop",
                    "createdAt": _AT,
                    "updatedAt": _AT,
                    "lastSeen": _AT,
                    "simCards": [{"slotIndex": 0, "simNumber": 1, "phoneNumber": "SHOP"}],
                }
            ],
        )
    }
)
REMOVED = _answers({204: answer("Removed")}, 404)
REVOKED = _answers({204: answer("Removed, or unknown")})

_WEBHOOK = {"id": _ID, "deviceId": None, "url": "https://example.com/webhook", "event": "sms:delivered"}
WEBHOOKS = _answers({200: answer("Webhooks", [_WEBHOOK])})
REGISTER = body(
    {"url": "https://example.com/webhook", "event": "sms:delivered"},
    required=["url", "event"],
    schemas={
        "id": {"type": "string", "maxLength": 36, "description": "Generated if left out."},
        "url": {"description": "An https URL."},
        "event": {
            "description": "sms:sent, sms:delivered, sms:failed, sms:cancelled, sms:received; others are"
            " never sent."
        },
        "deviceId": {"type": "string", "maxLength": 21},
    },
)
REGISTERED = _answers({201: answer("The webhook", _WEBHOOK)}, *_BODY)

ISSUE = body(
    {"ttl": 900, "scopes": ["messages:send", "messages:read"]},
    required=["scopes"],
    schemas={
        "ttl": {"minimum": 0, "description": "Seconds, at most 900; 0 is 900."},
        "scopes": {"minItems": 1, "maxItems": 100},
    },
)
_TOKEN = {
    "id": "9f0f3b3c3f0b4a8f8a0e5a1d2c3b4a5f",
    "token_type": "Bearer",
    "access_token": "eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
    "refresh_token": "sms_tokens-are-longer",
    "expires_at": _AT,
    "tokenType": "Bearer",
    "accessToken": "eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
    "refreshToken": "sms_tokens-are-longer",
    "expiresAt": _AT,
}
ISSUED = _answers({201: answer("The token, in both spellings", _TOKEN)}, 501, *_BODY)
REFRESHED = _answers({201: answer("A new token and a new refresh token", _TOKEN)}, 501)

_SETTINGS = {
    "messages": {"limit_period": "Disabled", "sim_selection_mode": "OSDefault", "processing_order": "FIFO"},
    "webhooks": {"internet_required": True, "signing_key": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
}
SETTINGS = _answers({200: answer("Settings", _SETTINGS)})
CHANGED = _answers({200: answer("The settings, unchanged", _SETTINGS)}, *_BODY)
CHANGE = body({"messages": {"limit_period": "Disabled"}}, required=[], schemas={})

PERIOD = body(
    {"deviceId": _DEVICE, "since": "2026-05-17T00:00:00Z", "until": "2026-05-18T00:00:00Z"},
    required=["since", "until"],
    schemas={
        "deviceId": {"type": "string", "maxLength": 21},
        "since": _MOMENT,
        "until": {**_MOMENT, "description": "Not included."},
    },
)
REFRESH = body(
    {"since": "2026-05-17T00:00:00Z", "until": "2026-05-18T00:00:00Z", "triggerWebhooks": True},
    required=["since", "until"],
    schemas={
        "deviceId": {"type": "string", "maxLength": 21},
        "since": _MOMENT,
        "until": {**_MOMENT, "description": "Not included."},
        "triggerWebhooks": {"default": False, "description": "Send the webhooks again."},
    },
)
ACCEPTED = _answers({202: answer("Accepted; webhooks are sent again", {})}, *_BODY)

INBOX = {
    "parameters": [
        _query("type", {"type": "string", "enum": list(KINDS)}, "Only SMS are received."),
        _query("offset", _COUNT, "The number to skip."),
        _query("limit", {"type": "integer", "default": 50}, "From 1 to 500; other values are limited to it."),
        _query("from", _MOMENT, "Received at this time or later."),
        _query("to", _MOMENT, "Received before this time."),
        _query("deviceId", {"type": "string"}, "Messages to this device only."),
    ]
}
_RECEIVED = {
    "id": _ID,
    "type": "SMS",
    "sender": _NUMBER,
    "recipient": "+12025550199",
    "simNumber": None,
    "contentPreview": "Hello!",
    "createdAt": _AT,
}
RECEIVED = _answers(
    {
        200: answer("Received messages, the newest first", [_RECEIVED])
        | {"headers": {"X-Total-Count": _header("The total number", "integer")}}
    },
    400,
)
NO_ATTACHMENT = _answers({}, 404)


def _health(status: str, faults: list[str]) -> dict[str, Any]:
    check = {
        "status": status,
        "description": "; ".join(faults),
        "observedUnit": "faults",
        "observedValue": len(faults),
    }
    return {"status": status, "version": "0.1.0", "releaseId": 1, "checks": {"database": check}}


HEALTH: Responses = {
    200: answer("Messages can be accepted", _health("pass", [])),
    503: answer("Messages cannot be accepted", _health("fail", [_MESSAGES[503]])),
}


def missing(text: str) -> Responses:
    """Return the description of responses of an operation that is not implemented."""
    return {**_answers({}), 501: _fault(501, text)}
