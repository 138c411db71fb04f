"""The words of both surfaces for statuses, faults and errors."""

from collections.abc import Mapping, Sequence

from dispatcher.api.errors import ErrorResponse
from dispatcher.domain.errors import (
    CredentialExpired,
    FaultKind,
    Forbidden,
    NotAuthenticated,
    NotEnoughCredit,
    RateLimited,
)
from dispatcher.domain.messages.status import Status

WORDS: dict[Status, str] = {
    Status.SCHEDULED: "scheduled",
    Status.PENDING: "processing",
    Status.SENT: "sent",
    Status.RECEIVED: "delivered",
    Status.NO_RECIPIENT: "cancelled",
    Status.NO_TEXT: "cancelled",
    Status.INVALID_TEXT: "cancelled",
    Status.NO_SENDER: "cancelled",
    Status.INVALID_SENDER: "cancelled",
    Status.NO_CREDIT: "cancelled",
    Status.OPTED_OUT: "cancelled",
    Status.EXPIRED: "expired",
    Status.NO_ROUTE: "cancelled",
    Status.INTERNAL_ERROR: "cancelled",
    Status.INVALID_NUMBER: "undelivered",
    Status.BLOCKED: "undelivered",
    Status.TOO_LATE: "expired",
    Status.UNREACHABLE: "failed",
    Status.FAILED: "failed",
    Status.GAVE_UP: "failed",
    Status.WITHDRAWN: "cancelled",
}

FAULTS: dict[FaultKind, str] = {
    FaultKind.EMPTY: "The {field} field is required.",
    FaultKind.TOO_LONG: "The {field} field is too long: {value}.",
    FaultKind.TOO_MANY: "The {field} field has too many entries: {value}.",
    FaultKind.NOT_TEXT: "The {field} field cannot be sent: {value}.",
    FaultKind.UNFILLED: "The {field} field has braces that nothing fills: {value}.",
    FaultKind.NOT_A_NUMBER: "The {field} field has an invalid phone number: {value}",
    FaultKind.UNKNOWN_SENDER: "The selected {field} is invalid.",
    FaultKind.WINDOW_OVER: "The {field} field leaves no time to send.",
    FaultKind.TOO_FAR: "The {field} field is too far ahead: {value}.",
    FaultKind.NOT_MOBILE: "The {field} field has a number that is not a mobile phone's: {value}",
    FaultKind.REPEATED: "The {field} field has a duplicate value.",
    FaultKind.UNKNOWN_TEMPLATE: "The selected {field} is invalid.",
    FaultKind.MISSING_VARIABLE: "The {value} field is required.",
    FaultKind.BAD_URL: "The {field} field must be a valid URL: {value}.",
}

FORM_FAULTS = FAULTS | {FaultKind.NOT_A_NUMBER: "Invalid phone number format."}
"""Those of v1, whose document has its own wording for one of them."""

KEY_REQUIRED = {
    "error": "API key is required",
    "help": "Provide X-API-Key header or api_key parameter",
}
CREDENTIAL_REQUIRED = {
    "error": "Username and password or API key are required",
    "help": "Provide username and password, X-API-Key header or api_key parameter",
}
_NO_CREDIT = "Insufficient credits"
_TOO_MANY = "Too Many Attempts."
_CRASHED = "Server Error"


class NoKey(NotAuthenticated):
    """A request of v2 without a key."""


class NoCredential(NotAuthenticated):
    """A request to a key endpoint with neither a password nor a key."""


class WrongPassword(NotAuthenticated):
    """A user name and password that do not exist."""


def form_envelope(error: ErrorResponse) -> object:
    """Return the body of every error of v1: a sentence with a full stop."""
    if error.status == 401:
        return {"error": "Unauthorized."}
    return {"error": f"{_sentence(error).rstrip('.')}."}


def keyed_envelope(error: ErrorResponse) -> object:
    """Return the body of an error elsewhere: `error` for 401, 402 and 403, else Laravel's `message`."""
    match error.error:
        case NoKey():
            return KEY_REQUIRED
        case NoCredential():
            return CREDENTIAL_REQUIRED
        case WrongPassword():
            return {"error": "Unauthorized"}
        case CredentialExpired():
            return {"error": "API key has expired"}
        case NotAuthenticated():
            return {"error": "Invalid API key"}
        case NotEnoughCredit() | Forbidden():
            return {"error": _sentence(error)}
    return {"message": _sentence(error)}


def unprocessable(errors: Mapping[str, Sequence[str]]) -> object:
    """Return the errors of fields as Laravel does: the first, how many more there are, and all by field."""
    first, *others = [message for messages in errors.values() for message in messages]
    more = f" (and {len(others)} more error{'s'[: len(others) - 1]})" if others else ""
    return {"message": first + more, "errors": errors}


def _sentence(error: ErrorResponse) -> str:
    match error.error:
        case NotEnoughCredit():
            return _NO_CREDIT
        case RateLimited():
            return _TOO_MANY
    if error.status == 500:
        return _CRASHED
    return error.message[:1].upper() + error.message[1:]
