"""The document's words for statuses, faults and errors."""

from typing import NamedTuple

from dispatcher.api.errors import ErrorResponse
from dispatcher.domain.errors import FaultKind
from dispatcher.domain.messages.status import Status


class SchedulerStatus(NamedTuple):
    """A status in the words of the document."""

    code: int
    meaning: str


WORDS: dict[Status, SchedulerStatus | None] = {
    Status.SCHEDULED: SchedulerStatus(10, "Scheduled"),
    Status.PENDING: SchedulerStatus(11, "Pending"),
    Status.SENT: SchedulerStatus(12, "Sent"),
    Status.RECEIVED: SchedulerStatus(13, "Received"),
    Status.NO_RECIPIENT: SchedulerStatus(20, "Cancelled - Missing contact or phone number"),
    Status.NO_TEXT: SchedulerStatus(21, "Cancelled - Missing text message"),
    Status.INVALID_TEXT: SchedulerStatus(22, "Cancelled - Invalid text message"),
    Status.NO_SENDER: SchedulerStatus(23, "Cancelled - Missing sender"),
    Status.INVALID_SENDER: SchedulerStatus(24, "Cancelled - Invalid sender"),
    Status.NO_CREDIT: SchedulerStatus(25, "Cancelled - Not enough credits"),
    Status.OPTED_OUT: SchedulerStatus(26, "Cancelled - Blacklisted contact or phone number"),
    Status.EXPIRED: SchedulerStatus(27, "Cancelled - End of validity period"),
    Status.NO_ROUTE: SchedulerStatus(28, "Cancelled - Unavailable country"),
    Status.INTERNAL_ERROR: SchedulerStatus(29, "Cancelled - Error"),
    Status.INVALID_NUMBER: SchedulerStatus(30, "Missed - Invalid phone number"),
    Status.BLOCKED: SchedulerStatus(31, "Missed - Blacklisted phone number or blocked by phone carrier"),
    Status.TOO_LATE: SchedulerStatus(32, "Missed - End of validity period"),
    Status.UNREACHABLE: SchedulerStatus(33, "Missed - Network not available on sending phone"),
    Status.FAILED: SchedulerStatus(38, "Missed - Sending failed (Unknown reason)"),
    Status.GAVE_UP: SchedulerStatus(39, "Missed - Error"),
    Status.WITHDRAWN: None,  # a deleted SMS is not there any more: 404
}

FAULTS: dict[FaultKind, str] = {
    FaultKind.EMPTY: 'The field "{field}" must not be empty',
    FaultKind.TOO_LONG: 'The field "{field}" is too long: {value}',
    FaultKind.TOO_MANY: 'The field "{field}" has too many values: {value}',
    FaultKind.NOT_TEXT: 'The field "{field}" cannot be sent: {value}',
    FaultKind.UNFILLED: 'The field "{field}" has braces that nothing fills: {value}',
    FaultKind.NOT_A_NUMBER: "The following phone number is invalid: {value}",
    FaultKind.UNKNOWN_SENDER: 'The field "{field}" is invalid',
    FaultKind.WINDOW_OVER: 'The field "{field}" leaves no time to send',
    FaultKind.NOT_MOBILE: "The following phone number is invalid: {value}",
    FaultKind.REPEATED: 'The field "{field}" names a number twice: {value}',
    FaultKind.UNKNOWN_TEMPLATE: 'The field "{field}" is invalid',
    FaultKind.MISSING_VARIABLE: 'The variable "{value}" is required',
    FaultKind.BAD_URL: 'The field "{field}" cannot be called: {value}',
    FaultKind.TOO_FAR: 'The field "{field}" is too far ahead: {value}',
}

_SUBJECTS = {400: "body", 401: "authorization", 404: "id", 405: "method", 413: "body", 415: "body"}
MESSAGES = {401: "Invalid or missing API key", 404: "Not found"}


def envelope(error: ErrorResponse) -> object:
    """Return the body of every error."""
    message = MESSAGES.get(error.status, error.message)
    return {"errors": {_SUBJECTS.get(error.status, "server"): [message]}}


def code(status: Status) -> int | None:
    """Return the document's code of a status; None for one that it does not know."""
    word = WORDS[status]
    return word and word.code
