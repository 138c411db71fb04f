"""
Errors as status, message and headers, before a dialect puts them into its own format.

One table maps errors to HTTP statuses, for all APIs.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from starlette.exceptions import HTTPException

from dispatcher.domain import errors
from dispatcher.domain.errors import DispatchError
from dispatcher.service.database import RETRY_AFTER

STATUSES: dict[type[DispatchError], HTTPStatus] = {
    errors.Invalid: HTTPStatus.BAD_REQUEST,
    errors.InvalidFields: HTTPStatus.BAD_REQUEST,
    errors.InvalidPlan: HTTPStatus.BAD_REQUEST,
    errors.InvalidRoutes: HTTPStatus.BAD_REQUEST,
    errors.InvalidSubmission: HTTPStatus.BAD_REQUEST,
    errors.NotAuthenticated: HTTPStatus.UNAUTHORIZED,
    errors.CredentialExpired: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.LimitExceeded: HTTPStatus.TOO_MANY_REQUESTS,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.NotEnoughCredit: HTTPStatus.PAYMENT_REQUIRED,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.NotConfirmed: HTTPStatus.CONFLICT,
    errors.KeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.StillRunning: HTTPStatus.CONFLICT,
    errors.AlreadyExists: HTTPStatus.CONFLICT,
    errors.BadReceipt: HTTPStatus.BAD_REQUEST,
    errors.BadSignature: HTTPStatus.UNAUTHORIZED,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Misconfigured: HTTPStatus.INTERNAL_SERVER_ERROR,
}


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """The status, message and headers of an error. `error` is what a use case raised, if one did."""

    status: HTTPStatus
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
    error: DispatchError | None = None


PROBLEM = "application/problem+json"
CRASHED = ErrorResponse(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal server error")
NO_SUCH_API = ErrorResponse(HTTPStatus.NOT_FOUND, "There is no API at this path; GET /docs lists all APIs")


def too_large(limit: float) -> HTTPException:
    """Return the exception for a body of more than `limit` bytes; it may be raised while the body is read."""
    return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is larger than {limit} bytes")


def describe_error(error: Exception) -> ErrorResponse:
    """Return the error that a client sees for an exception; it shows nothing of a bug."""
    match error:
        case errors.Unavailable():
            retry = {"Retry-After": str(int(RETRY_AFTER.total_seconds()))}
            return ErrorResponse(_status(error), str(error), retry, error)
        case errors.LimitExceeded():
            retry = {"Retry-After": str(math.ceil(error.retry_after.total_seconds()))}
            return ErrorResponse(_status(error), str(error), retry, error)
        case errors.Misconfigured():
            return replace(CRASHED, error=error)
        case DispatchError():
            return ErrorResponse(_status(error), str(error), error=error)
        case HTTPException():
            return ErrorResponse(HTTPStatus(error.status_code), error.detail, error.headers or {})
    return CRASHED


def problem(error: ErrorResponse) -> dict[str, object]:
    """Return RFC 9457 problem details: the envelope of every API that is not a dialect."""
    return {
        "type": "about:blank",
        "title": error.status.phrase,
        "status": error.status.value,
        "detail": error.message,
    }


def _status(error: DispatchError) -> HTTPStatus:
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
