"""Reading responses and receipts, shared by plug-ins: JSON, forms, signatures and the HTTP status."""

import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import parse_qsl

import httpx

from dispatcher.domain.messages.text import storable_text
from dispatcher.providers.contract import (
    BadReceipt,
    BadSignature,
    Deferred,
    Rejected,
    Status,
    Unavailable,
    Unknown,
)

ACCOUNT_STATUSES: Final = frozenset({401, 402, 403})
"""HTTP statuses by which our account or its credentials are refused."""

DEFERRED_STATUSES: Final = ACCOUNT_STATUSES | {425, 429, 503}
"""HTTP statuses after which a message is tried again."""

_MAX_RETRY_AFTER: Final = 86_400


def outcome_by_status(response: httpx.Response) -> Deferred | Rejected | Unknown:
    """
    Return the outcome by the HTTP status alone, for a response whose body decides nothing.

    The same as in the `http` plug-in: 429, 503 and 425 are deferred, and so are
    401, 402 and 403, where our account is refused. Any other 4xx but 408 is
    rejected. Everything else is unknown, 2xx included.
    """
    status, reason = response.status_code, f"HTTP {response.status_code}"
    if status in DEFERRED_STATUSES:
        return Deferred(reason, retry_after(response), of_account=status in ACCOUNT_STATUSES)
    if 400 <= status < 500 and status != httpx.codes.REQUEST_TIMEOUT:
        return Rejected(Status.FAILED, reason)
    return Unknown(reason)


def retry_after(response: httpx.Response) -> timedelta | None:
    """Return Retry-After (RFC 9110, 10.2.3), at most a day. A date counts from the response's own Date."""
    value = response.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return timedelta(seconds=min(int(value[:9]), _MAX_RETRY_AFTER))
    until, sent = _http_date(value), _http_date(response.headers.get("date", ""))
    return max(until - sent, timedelta(0)) if until and sent else None


def json_object(body: bytes) -> dict[str, object]:
    """Return the JSON object; an empty one if the body is anything else, or nested too deeply."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def poll_response(response: httpx.Response) -> dict[str, object]:
    """Return the JSON object of a poll's response. Raises Unavailable if the HTTP status is no success."""
    if not response.is_success:
        raise Unavailable(f"the provider cannot be polled: HTTP {response.status_code}")
    return json_object(response.content)


def form_fields(body: bytes) -> list[tuple[str, str]]:
    """Return the fields of a form in their order. Raises BadReceipt."""
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=200)
    except ValueError:
        raise BadReceipt("the receipt is not a form") from None


def text_field(fields: Mapping[str, object], name: str) -> str:
    """Return a field as text that Postgres can store; empty if it is missing, null, a list or an object."""
    value = fields.get(name)
    if value is None or isinstance(value, list | dict):
        return ""
    return storable_text(value if isinstance(value, str) else json.dumps(value), nul="?")


def check_signature(shown: str, *expected: str) -> None:
    """Raise BadSignature unless the signature is one of the expected ones; compared in constant time."""
    received = shown.encode(errors="replace")
    if not any(hmac.compare_digest(received, one.encode()) for one in expected):
        raise BadSignature("the signature of this receipt is missing or wrong")


def _http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a year or an offset beyond the calendar
        return None
    return date if date.tzinfo else None
