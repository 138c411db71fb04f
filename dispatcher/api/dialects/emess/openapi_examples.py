"""The document's own samples as OpenAPI, and our own where it has none."""

from http import HTTPStatus
from typing import Any

from dispatcher.api.dialects.emess.mapping import (
    BAD_TYPE,
    MISCONFIGURED,
    MISSING,
    NO_PAIR,
    NO_TOKENS,
    NOT_SENT,
    TYPES,
    UNAUTHORIZED,
    WRONG_PAIR,
)
from dispatcher.api.openapi import Responses, answer, body

DESCRIPTION = "Authenticate with your App ID and Secret Key to receive a JWT token, then send with it."

_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A request that is repeated with the same key within a day gets the first response.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}
_TEXT = {"description": "The content of the SMS message", "minLength": 1, "pattern": r"\S"}
_KEEP = {
    "description": "If true, prevents automatic removal of diacritics/accents from the message text.",
    "default": False,
}
_UUIDS = ["0b6f3c52-5f0e-4c8e-9a3e-0d7a6f0f6c11", "6f1c9b1e-2d43-4b0e-8a55-3a1f4f6d7e22"]
_BATCH = "9d3e7a40-7a1b-4a52-8f0e-5c2b1d9e8f33"


def _errors(texts: dict[int, str]) -> Responses:
    """Return the description of errors by status, with those that every operation has."""
    texts = texts | {
        413: "The body is larger than 1048576 bytes",
        415: "The body must be JSON, not application/xml",
        429: "too many requests",
        503: "the database cannot be reached; try again",
    }
    return {status: _error(status, texts[status]) for status in sorted(texts)}


def _error(status: int, text: str) -> dict[str, Any]:
    described = answer(HTTPStatus(status).phrase, {"message": text})
    if status in (429, 503):
        description = "Seconds to wait before the next attempt"
        described["headers"] = {"Retry-After": {"description": description, "schema": {"type": "integer"}}}
    return described


def _creating(bad: str) -> Responses:
    return _errors(
        {
            400: bad,
            401: UNAUTHORIZED,
            402: NO_TOKENS,
            403: "account 'shop' is paused",
            409: "the first request with this Idempotency-Key has not ended; try again",
            422: "this Idempotency-Key came with another request before; take a new one",
            500: NOT_SENT,
        }
    )


def _type(**more: object) -> dict[str, Any]:
    return {"description": f"Must be one of: {', '.join(TYPES)}", "enum": list(TYPES), **more}


TOKEN_BODY = body(
    {"appId": "app_0123456789abcdef", "secretKey": "sms_secret"},
    required=["appId", "secretKey"],
    schemas={
        "appId": {"description": "Your application's App ID", "minLength": 1},
        "secretKey": {"description": "Your application's Secret Key", "minLength": 1},
    },
)
TOKEN_ANSWERS: Responses = {
    200: answer("OK", {"token": "jwt_token_string"}),
    **_errors({400: NO_PAIR, 401: WRONG_PAIR, 500: MISCONFIGURED}),
}

SEND_BODY = {
    "parameters": [_KEY],
    **body(
        {"number": "+254712345678", "message": "Hello", "type": "standard", "keepDiacritics": False},
        required=["number", "message", "type"],
        schemas={
            "number": {
                "description": "Recipient's phone number, in E.164 or national to the account's country",
                "pattern": "^[+]?[0-9]+$",
            },
            "message": _TEXT,
            "type": _type(),
            "keepDiacritics": _KEEP,
        },
    ),
}
SEND_ANSWERS: Responses = {
    200: answer("OK", {"message": "SMS sent successfully", "id": _UUIDS[0], "batchId": _BATCH}),
    **_creating(BAD_TYPE),
}

BULK_BODY = {
    "parameters": [_KEY],
    **body(
        {
            "numbers": ["+254712345678", "+254712345679"],
            "message": "Hello",
            "type": "bulk",
            "keepDiacritics": False,
        },
        required=["numbers", "message"],
        schemas={
            "numbers": {"description": "Array of recipient phone numbers", "minItems": 1},
            "message": _TEXT,
            "type": _type(default="bulk"),
            "keepDiacritics": _KEEP,
        },
    ),
}
BULK_ANSWERS: Responses = {
    200: answer(
        "OK",
        {
            "message": "Bulk processing completed",
            "total": 2,
            "data": _UUIDS,
            "succeeded": 2,
            "failed": 0,
            "batchId": _BATCH,
        },
    ),
    **_creating(MISSING.format("numbers, message")),
}
