"""What plug-ins share in reading answers and receipts: JSON, forms, signatures, and HTTP's own words."""

import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import parse_qsl

import httpx

from dispatcher.providers.contract import (
    BadReceipt,
    BadSignature,
    Deferred,
    Rejected,
    Status,
    Unavailable,
    Unknown,
)

_DEFERRED_STATUSES: Final = frozenset({401, 402, 403, 425, 429, 503})
_MAX_RETRY_AFTER: Final = 86_400


def outcome_by_status(response: httpx.Response) -> Deferred | Rejected | Unknown:
    """
    Judge an answer by its HTTP status alone, where the provider's own words decide nothing.

    As the `http` plug-in does: 429, 503 and 425 are "later", and so are 401,
    402 and 403, where our account is refused; any other 4xx but 408 is a
    refusal; all else is unknown, a 2xx too.
    """
    status, reason = response.status_code, f"HTTP {response.status_code}"
    if status in _DEFERRED_STATUSES:
        return Deferred(reason, retry_after(response))
    if 400 <= status < 500 and status != httpx.codes.REQUEST_TIMEOUT:
        return Rejected(Status.FAILED, reason)
    return Unknown(reason)


def retry_after(response: httpx.Response) -> timedelta | None:
    """Read Retry-After (RFC 9110, 10.2.3); a date counts from the answer's own Date, so no clock is asked."""
    said = response.headers.get("retry-after", "").strip()
    if said.isdecimal():
        return timedelta(seconds=min(int(said[:9]), _MAX_RETRY_AFTER))
    then, sent = _http_date(said), _http_date(response.headers.get("date", ""))
    return max(then - sent, timedelta(0)) if then and sent else None


def json_object(body: bytes) -> dict[str, object]:
    """Read a JSON object; an empty one for whatever else it is, be it nested deeper than anybody means."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def poll_response(response: httpx.Response) -> dict[str, object]:
    """Read what the provider answered to a question. Raises Unavailable if it could not answer now."""
    if not response.is_success:
        raise Unavailable(f"the provider cannot be asked: HTTP {response.status_code}")
    return json_object(response.content)


def form_fields(body: bytes) -> list[tuple[str, str]]:
    """Read the fields of a form in their order. Raises BadReceipt."""
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=200)
    except ValueError:
        raise BadReceipt("the receipt is not a form") from None


def text_field(fields: Mapping[str, object], name: str) -> str:
    """Give a field as text that a database keeps; empty if it is missing, null, a list or an object."""
    value = fields.get(name)
    if value is None or isinstance(value, list | dict):
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    return text.replace("\0", "?").encode(errors="replace").decode()


def check_signature(shown: str, *expected: str) -> None:
    """Compare in constant time with each that would do. Raises BadSignature."""
    given = shown.encode(errors="replace")
    if not any(hmac.compare_digest(given, one.encode()) for one in expected):
        raise BadSignature("the signature of this receipt is missing or wrong")


def _http_date(text: str) -> datetime | None:
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a year or an offset beyond the calendar
        return None
    return when if when.tzinfo else None
