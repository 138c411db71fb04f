"""Upstream's words for statuses, messages, faults and errors, and its format of times."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from dispatcher.api.errors import ErrorResponse
from dispatcher.domain.errors import AlreadyExists, Fault, FaultKind, InvalidSubmission, NotAuthenticated
from dispatcher.domain.messages.status import Status

LAST_TIME = datetime(9999, 12, 31, tzinfo=UTC)
_EPOCH = datetime.fromtimestamp(0, UTC)
_LOST_PLUS = re.compile(r" ([0-9]{2}:?[0-9]{2})$")


class GatewayState(StrEnum):
    """The state of a message, or of one recipient of it."""

    PENDING = "Pending"
    CANCELLING = "Cancelling"  # not used here: a cancellation takes effect at once
    CANCELLED = "Cancelled"
    PROCESSED = "Processed"  # not used here: a phone has it, and has not sent it
    SENT = "Sent"
    DELIVERED = "Delivered"
    FAILED = "Failed"


class GatewayStatus(NamedTuple):
    """A status in upstream's words, with the error of a failed recipient."""

    state: GatewayState
    error: str | None = None


KINDS = ("SMS", "DATA_SMS", "MMS", "MMS_DOWNLOADED")
"""The kinds of message that upstream's phones receive. Here there are only SMS."""

WORDS: dict[Status, GatewayStatus] = {
    Status.SCHEDULED: GatewayStatus(GatewayState.PENDING),
    Status.PENDING: GatewayStatus(GatewayState.PENDING),
    Status.SENT: GatewayStatus(GatewayState.SENT),
    Status.RECEIVED: GatewayStatus(GatewayState.DELIVERED),
    Status.NO_RECIPIENT: GatewayStatus(GatewayState.FAILED, "no phone number"),
    Status.NO_TEXT: GatewayStatus(GatewayState.FAILED, "no text"),
    Status.INVALID_TEXT: GatewayStatus(GatewayState.FAILED, "invalid text"),
    Status.NO_SENDER: GatewayStatus(GatewayState.FAILED, "no sender"),
    Status.INVALID_SENDER: GatewayStatus(GatewayState.FAILED, "invalid sender"),
    Status.NO_CREDIT: GatewayStatus(GatewayState.FAILED, "not enough credits"),
    Status.OPTED_OUT: GatewayStatus(GatewayState.FAILED, "recipient opted out"),
    Status.EXPIRED: GatewayStatus(GatewayState.FAILED, "TTL expired"),
    Status.NO_ROUTE: GatewayStatus(GatewayState.FAILED, "no route to this country"),
    Status.INTERNAL_ERROR: GatewayStatus(GatewayState.FAILED, "internal error"),
    Status.INVALID_NUMBER: GatewayStatus(GatewayState.FAILED, "invalid phone number"),
    Status.BLOCKED: GatewayStatus(GatewayState.FAILED, "blocked by the carrier"),
    Status.TOO_LATE: GatewayStatus(GatewayState.FAILED, "expired at the carrier"),
    Status.UNREACHABLE: GatewayStatus(GatewayState.FAILED, "phone or network not available"),
    Status.FAILED: GatewayStatus(GatewayState.FAILED, "sending failed"),
    Status.GAVE_UP: GatewayStatus(GatewayState.FAILED, "gave up"),
    Status.WITHDRAWN: GatewayStatus(GatewayState.CANCELLED),
}

STATUSES: dict[GatewayState, frozenset[Status]] = {
    state: frozenset(status for status, word in WORDS.items() if word.state is state)
    for state in GatewayState
}

FAULTS: dict[FaultKind, str] = {
    FaultKind.EMPTY: "{field} must not be empty",
    FaultKind.TOO_LONG: "{field} is too long: {value}",
    FaultKind.TOO_MANY: "{field} has too many entries: {value}",
    FaultKind.NOT_TEXT: "{field} cannot be sent: {value}",
    FaultKind.UNFILLED: "{field} has braces that nothing fills: {value}",
    FaultKind.NOT_A_NUMBER: "invalid phone number",
    FaultKind.UNKNOWN_SENDER: "simNumber names no SIM of this device",
    FaultKind.WINDOW_OVER: "validUntil leaves no time to send",
    FaultKind.NOT_MOBILE: "not mobile phone number",
    FaultKind.REPEATED: "phone numbers must be unique",
    FaultKind.UNKNOWN_TEMPLATE: "{field} is unknown",
    FaultKind.MISSING_VARIABLE: "{value} is missing",
    FaultKind.BAD_URL: "{field} cannot be called: {value}",
    FaultKind.TOO_FAR: "{field} is too far ahead: {value}",
}

_FIELDS: Mapping[str, str] = {
    "recipients": "phoneNumbers",
    "text": "textMessage.text",
    "not_before": "scheduleAt",
    "not_after": "validUntil",
    "sender_id": "simNumber",
}

MESSAGES = {401: "Unauthorized", 404: "message not found"}
DUPLICATE = "message with the same ID already exists"


def state_of(statuses: Iterable[Status]) -> GatewayState:
    """
    Return the state of a whole message: any Pending, any Cancelled, all Failed, all Delivered, else Sent.

    The order is that of the Android application.
    """
    states = {WORDS[status].state for status in statuses}
    for state in (GatewayState.PENDING, GatewayState.CANCELLED):
        if state in states:
            return state
    return states.pop() if len(states) == 1 else GatewayState.SENT


def error_of(status: Status, reason: str = "") -> str | None:
    """Return the error of a failed recipient, with the provider's reason if there is one, else None."""
    error = WORDS[status].error
    if error is not None and status.is_missed and reason:
        return f"{error}: {reason}"
    return error


def envelope(error: ErrorResponse) -> object:
    """Return the body of every error; the Python client needs `code`."""
    return {"message": _message(error), "code": error.status.value}


def _message(error: ErrorResponse) -> str:
    match error.error:
        case InvalidSubmission(faults=faults):
            return "; ".join(dict.fromkeys(map(_sentence, faults)))
        case AlreadyExists():
            return DUPLICATE
        case NotAuthenticated():
            return MESSAGES[401]
    return error.message


def _sentence(fault: Fault) -> str:
    return FAULTS[fault.kind].format(field=_FIELDS.get(fault.field, fault.field), value=fault.value)


def write_time(at: datetime) -> str:
    """Return a time as upstream writes it: RFC 3339, in UTC, with milliseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def read_time(text: str) -> datetime:
    """
    Return the time of a text, in UTC if it names no zone, limited to what a database can store.

    Raises ValueError.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    # Compared before it is converted: at the calendar's ends a conversion overflows.
    return min(max(at, _EPOCH), LAST_TIME).astimezone(UTC)


def read_query_time(text: str) -> datetime:
    """Return a time of a query, in which a "+" that was not encoded has become a space. Raises ValueError."""
    try:
        return read_time(text)
    except ValueError:
        return read_time(_LOST_PLUS.sub(r"+\1", text))
