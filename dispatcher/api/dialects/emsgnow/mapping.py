"""The document's words for statuses, faults and errors."""

import math
from collections.abc import Mapping
from datetime import datetime

from dispatcher.api.errors import ErrorResponse
from dispatcher.domain.accounts.rate_limit import RateLimitStatus
from dispatcher.domain.errors import Fault, FaultKind, InvalidSubmission, RateLimited
from dispatcher.domain.messages.status import Status

WORDS: dict[Status, str] = {
    Status.SCHEDULED: "scheduled",
    Status.PENDING: "processing",
    Status.SENT: "sent to provider",
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

DOCUMENTED = frozenset({Status.PENDING, Status.SENT, Status.RECEIVED})
"""The statuses that the document shows; for all others `additionalInfo` has details."""

FAULTS: dict[FaultKind, str] = {
    FaultKind.EMPTY: "is empty",
    FaultKind.TOO_LONG: "is too long: {value}",
    FaultKind.TOO_MANY: "has too many entries: {value}",
    FaultKind.NOT_TEXT: "cannot be sent: {value}",
    FaultKind.UNFILLED: "has braces that nothing fills: {value}",
    FaultKind.NOT_A_NUMBER: "is not a phone number in E.164 format, such as +1234567890",
    FaultKind.UNKNOWN_SENDER: "is not a sender of this account: {value}",
    FaultKind.WINDOW_OVER: "leaves no time to send",
    FaultKind.TOO_FAR: "is too far ahead: {value}",
    FaultKind.NOT_MOBILE: "is not a mobile phone number",
    FaultKind.REPEATED: "is named twice",
    FaultKind.UNKNOWN_TEMPLATE: "is not a template of this account: {value}",
    FaultKind.MISSING_VARIABLE: "{value} is missing",
    FaultKind.BAD_URL: "{value}",
}

FIELDS = {
    "recipients": "to",
    "sender_id": "from",
    "text": "message",
    "template_id": "templateId",
    "variables": "variables",
    "not_before": "notBefore",
    "not_after": "notAfter",
    "callback_url": "callbackUrl",
}
"""The document's names for fields of a Submission that can have a fault."""

RECEIVED = "SMS received successfully"
KEY_REQUIRED = "API key is required"
INVALID_KEY = "Invalid API key"
TOO_OFTEN = "Rate limit exceeded"
SMS_NOT_FOUND = "SMS not found"
EVENT_NOT_FOUND = "Event not found"
NOT_RETRIEVED = "Failed to retrieve SMS status"
NOT_SENT = "Failed to send SMS"


def envelope(error: ErrorResponse) -> object:
    """Return the body of every error."""
    match error.error:
        case InvalidSubmission(faults=faults):
            return {"error": "; ".join(map(describe_fault, faults))}
        case RateLimited():
            return {"error": TOO_OFTEN}
    return {"error": error.message}


def quota_headers(quota: RateLimitStatus, _now: datetime) -> Mapping[str, str]:
    """Return a quota as headers: requests per minute, those left, seconds until it is full again."""
    return {
        "X-RateLimit-Limit": str(quota.limit),
        "X-RateLimit-Remaining": str(quota.remaining),
        "X-RateLimit-Reset": str(math.ceil(quota.reset.total_seconds())),
    }


def describe_fault(fault: Fault) -> str:
    """Return the sentence on a fault, by the document's name of the field."""
    return f"{FIELDS[fault.field]}: {FAULTS[fault.kind].format(value=fault.advised_value)}"
