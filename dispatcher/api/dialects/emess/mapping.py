"""The document's words for statuses, faults and errors."""

from dataclasses import replace
from enum import StrEnum

from dispatcher.api.errors import ErrorResponse
from dispatcher.domain.errors import (
    Fault,
    FaultKind,
    InvalidSubmission,
    Misconfigured,
    NotAuthenticated,
    NotEnoughCredit,
)
from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier

TYPES = {
    "critical": Tier.CRITICAL,
    "standard": Tier.STANDARD,
    "bulk": Tier.BULK,
}

NO_PAIR = "Missing appId or secretKey"
WRONG_PAIR = "Invalid credentials"
UNAUTHORIZED = "Unauthorized"
NO_TOKENS = "Insufficient tokens"
MISCONFIGURED = "Server configuration error"
NOT_SENT = "Failed to send SMS"
BAD_TYPE = "Invalid message type"
MISSING = "Missing parameters: {}"


class Counted(StrEnum):
    """How the response to a bulk request counts a message; the document shows nothing else of one."""

    SUCCEEDED = "succeeded"  # accepted, and will be sent
    FAILED = "failed"  # ended before it was sent, uncharged or refunded, or failed at the provider


# Most messages are new; one that repeats an earlier one (DISPATCHER_REPEAT_POLICY=join) may have any status.
WORDS: dict[Status, Counted] = {
    Status.SCHEDULED: Counted.SUCCEEDED,
    Status.PENDING: Counted.SUCCEEDED,
    Status.SENT: Counted.SUCCEEDED,
    Status.RECEIVED: Counted.SUCCEEDED,
    Status.NO_RECIPIENT: Counted.FAILED,
    Status.NO_TEXT: Counted.FAILED,
    Status.INVALID_TEXT: Counted.FAILED,
    Status.NO_SENDER: Counted.FAILED,
    Status.INVALID_SENDER: Counted.FAILED,
    Status.NO_CREDIT: Counted.FAILED,
    Status.OPTED_OUT: Counted.FAILED,
    Status.EXPIRED: Counted.FAILED,
    Status.NO_ROUTE: Counted.FAILED,
    Status.INTERNAL_ERROR: Counted.FAILED,
    Status.INVALID_NUMBER: Counted.FAILED,
    Status.BLOCKED: Counted.FAILED,
    Status.TOO_LATE: Counted.FAILED,
    Status.UNREACHABLE: Counted.FAILED,
    Status.FAILED: Counted.FAILED,
    Status.GAVE_UP: Counted.FAILED,
    Status.WITHDRAWN: Counted.FAILED,
}

FAULTS: dict[FaultKind, str] = {
    FaultKind.EMPTY: "{field} is empty",
    FaultKind.TOO_LONG: "{field} is too long: {value}",
    FaultKind.TOO_MANY: "{field} has too many entries: {value}",
    FaultKind.NOT_TEXT: "{field} cannot be sent: {value}",
    FaultKind.UNFILLED: "{field} has braces that nothing fills: {value}",
    FaultKind.NOT_A_NUMBER: "Invalid phone number: {value}",
    FaultKind.NOT_MOBILE: "Not a mobile phone number: {value}",
    FaultKind.REPEATED: "{field} names a number twice: {value}",
    FaultKind.UNKNOWN_SENDER: "Unknown sender: {value}",
    FaultKind.WINDOW_OVER: "{field} leaves no time to send: {value}",
    FaultKind.TOO_FAR: "{field} is too far ahead: {value}",
    FaultKind.UNKNOWN_TEMPLATE: "Unknown template: {value}",
    FaultKind.MISSING_VARIABLE: "{field} has no value for {value}",
    FaultKind.BAD_URL: "{field} cannot be called: {value}",
}

# A single number cannot be too many or empty, so these faults only name the array.
_FIELDS = {"text": "message", "recipients": "numbers"}
_MAX_ECHO = 40


def envelope(error: ErrorResponse) -> object:
    """Return the body of every error."""
    return {"message": _message(error)}


def _message(error: ErrorResponse) -> str:
    match error.error:
        case InvalidSubmission(faults=faults):
            return "; ".join(map(_sentence, faults))
        case NotAuthenticated():
            return UNAUTHORIZED
        case NotEnoughCredit():
            return NO_TOKENS
        case Misconfigured():
            return MISCONFIGURED
    return NOT_SENT if error.status == 500 else error.message


def _sentence(fault: Fault) -> str:
    if fault.kind is FaultKind.NOT_A_NUMBER and len(fault.value) > _MAX_ECHO:
        fault = replace(fault, value=fault.value[:_MAX_ECHO] + "…")
    return FAULTS[fault.kind].format(field=_FIELDS.get(fault.field, fault.field), value=fault.advised_value)
