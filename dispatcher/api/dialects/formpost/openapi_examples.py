"""The document's own samples as OpenAPI."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from dispatcher.api.dialects.formpost.mapping import CREDENTIAL_REQUIRED, KEY_REQUIRED, WORDS, unprocessable
from dispatcher.api.dialects.formpost.responses import JsonWithoutCharset
from dispatcher.api.openapi import Responses, Schema, answer, body, schema_of
from dispatcher.domain.tier import Tier

DESCRIPTION = """Send SMS with a user name and a password (v1), or with a key (v2); create and revoke keys.

Numbers are national numbers of the account's country, or international with a `+` (`%2B` in a URL)."""

_SENT = {
    "success": True,
    "message": "SMS sent successfully",
    "batch_id": "0198c9a1-6f0e-4c5e-9a53-1d4f4f0a7b10",
    "message_ids": ["0198c9a1-6f0e-4c5e-9a53-1d4f4f0a7b11", "0198c9a1-6f0e-4c5e-9a53-1d4f4f0a7b12"],
    "recipients": 2,
}
_KEY = {"api_key": "sms_…", "expires_at": "2026-12-25T12:45:59.000000Z"}
_KEY_SCHEMA: Schema = {
    "type": "object",
    "properties": {"api_key": {"type": "string"}, "expires_at": {"type": ["string", "null"]}},
}
_STATUSES: Schema = {"type": "array", "items": {"type": "string", "enum": sorted(set(WORDS.values()))}}

_SHARED: dict[int, str] = {
    413: "The body is larger than 1048576 bytes",
    415: "The body must be a form or JSON, not multipart/form-data",
    429: "Too Many Attempts.",
    500: "Server Error",
    503: "The database cannot be reached; try again",
}
_IDEMPOTENCY: dict[int, str] = {
    409: "The first request with this Idempotency-Key has not ended; try again",
    422: "This Idempotency-Key came with another request before; take a new one",
}
_UNREADABLE = "The body must be a form or a JSON object"
_NO_CREDIT = "Insufficient credits"
_PAUSED = "Account 'shop' is paused"


def _answer(text: str, example: object, *, schema: Schema | None = None) -> dict[str, Any]:
    """Return the description of a response whose content type has no charset."""
    described = answer(text, example, schema=schema)
    [content] = described["content"].values()
    return {**described, "content": {JsonWithoutCharset.media_type: content}}


def _failures(name: str, texts: Mapping[int, str]) -> Responses:
    """Return the description of errors whose body is one message under this name."""
    return {code: _answer(HTTPStatus(code).phrase, {name: text}) for code, text in texts.items()}


def _unprocessable(name: str, text: str) -> Responses:
    return {422: _answer("Unprocessable Content", unprocessable({name: [text]}))}


def _form_failures() -> Responses:
    texts = {**_SHARED, **_IDEMPOTENCY, 400: "Invalid phone number format", 401: "Unauthorized"}
    texts |= {402: _NO_CREDIT, 403: _PAUSED}
    return _failures("error", {code: f"{text.rstrip('.')}." for code, text in texts.items()})


def _unauthorized(example: object) -> Responses:
    return {401: _answer("Unauthorized", example)}


_FIELDS: Mapping[str, object] = {
    "numbers": "0701234567, 0712345678",
    "message_body": "Hello, this is a test message.",
}
_NUMBERS: Schema = {
    "description": "Comma separated; spaces are allowed. JSON may have an array of strings.",
    "type": ["string", "array"],
    "items": {"type": "string"},
}
_MORE: Mapping[str, Schema] = {
    "numbers": _NUMBERS | {"description": f"{_NUMBERS['description']} Also `to`, `phone_numbers`."},
    "message_body": {"description": "The text. Also `message`, `text`."},
    "sender_id": {"description": "A sender's number or name. Also `from`.", "type": ["string", "integer"]},
    "schedule_at": {
        "description": "ISO 8601, or `YYYY-MM-DD HH:MM:SS` in the account's time zone. The past means now.",
        "type": "string",
    },
    "type": {
        "description": "The tier; by default standard, or bulk above 200 numbers.",
        "type": "string",
        "enum": list(Tier),
    },
}


def _fields(
    example: Mapping[str, object], *, required: list[str], schemas: Mapping[str, Schema]
) -> dict[str, Any]:
    """Return the description of fields in JSON, in a form or in the URL."""
    described = body(example, required=required, schemas=schemas)
    [media] = described["requestBody"]["content"].values()
    content = {JsonWithoutCharset.media_type: media, "application/x-www-form-urlencoded": media}
    return {"requestBody": {"required": False, "content": content}}


def _parameter(name: str, schema: Schema, example: object) -> dict[str, Any]:
    described = {key: value for key, value in schema.items() if key not in ("description", "items")}
    return {
        "name": name,
        "in": "query",
        "required": name in _FIELDS,
        "description": schema["description"],
        "schema": described | {"type": "string"},
        **({"example": example} if example else {}),
    }


FORM_SEND: dict[str, Any] = {
    "summary": "Send an SMS",
    "responses": {200: _answer("OK", _SENT), **_form_failures()},
    "request": _fields(
        {**_FIELDS, "username": "user123", "password": "pass123"},
        required=["numbers", "message_body", "username", "password"],
        schemas={"numbers": _NUMBERS, "username": {"description": "All four may be in the URL instead."}},
    ),
}

KEYED_SEND: dict[str, Any] = {
    "summary": "Send an SMS",
    "responses": {
        200: _answer(
            "OK",
            {**_SENT, "statuses": ["processing", "processing"]},
            schema={
                "type": "object",
                "properties": {**schema_of(_SENT)["properties"], "statuses": _STATUSES},
            },
        ),
        **_failures("message", {**_SHARED, **_IDEMPOTENCY, 400: _UNREADABLE}),
        **_unauthorized(KEY_REQUIRED),
        **_failures("error", {402: _NO_CREDIT, 403: _PAUSED}),
        **_unprocessable("numbers", "The numbers field is required."),
    },
}
BODY = _fields(_FIELDS, required=[], schemas=_MORE)
QUERY = {"parameters": [_parameter(name, schema, _FIELDS.get(name)) for name, schema in _MORE.items()]}

_READ = {code: text for code, text in _SHARED.items() if code not in (413, 415)}
BALANCE_ANSWERS: Responses = {
    200: _answer("OK", {"balance": 123, "currency": "credits"}),
    **_unauthorized(KEY_REQUIRED),
    **_failures("message", {**_READ, 413: _SHARED[413]}),
}

_KEYS: Responses = {
    **_failures("message", {**_SHARED, 400: _UNREADABLE}),
    **_unauthorized(CREDENTIAL_REQUIRED),
}
_ISSUED: Responses = {**_KEYS, **_unprocessable("expiry_days", "The expiry days field must be at least 1.")}
GENERATED: Responses = {
    201: _answer("Created", _KEY, schema=_KEY_SCHEMA),
    **_ISSUED,
    **_failures("message", {409: "There is an active key already; regenerate or revoke it"}),
}
REGENERATED: Responses = {200: _answer("OK", _KEY, schema=_KEY_SCHEMA), **_ISSUED}
REVOKED: Responses = {
    200: _answer("OK", {"message": "API key revoked"}),
    **_KEYS,
    **_failures("message", {404: "There is no active key"}),
}
EXPIRY = _fields(
    {"expiry_days": 3},
    required=[],
    schemas={
        "expiry_days": {
            "description": "Days until the key expires; by default as in the settings, a year.",
            "minimum": 1,
            "maximum": 365,
        }
    },
)

PAGE: Responses = {200: {"description": "The page", "content": {"text/html": {"schema": {"type": "string"}}}}}
