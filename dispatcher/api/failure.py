"""
What went wrong with a request, before a dialect finds its words for it.

One table says which error is which HTTP status, for every way in.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
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
    errors.TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.NotEnoughCredit: HTTPStatus.PAYMENT_REQUIRED,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.KeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.StillRunning: HTTPStatus.CONFLICT,
    errors.AlreadyExists: HTTPStatus.CONFLICT,
    errors.BadReceipt: HTTPStatus.BAD_REQUEST,
    errors.BadSignature: HTTPStatus.UNAUTHORIZED,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Misconfigured: HTTPStatus.INTERNAL_SERVER_ERROR,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that is not the one asked for. `error` is there when a use case raised it."""

    status: HTTPStatus
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
    error: DispatchError | None = None


CRASHED = Failure(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal server error")
UNCLAIMED = Failure(HTTPStatus.NOT_FOUND, "No API answers at this path; GET /docs lists them")


def too_large(limit: float) -> HTTPException:
    """Make what is raised, also in the middle of a body, when it has more bytes than that."""
    return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is larger than {limit} bytes")


def failure_of(error: Exception) -> Failure:
    """Tell what an exception means to a client; of a bug it learns nothing."""
    match error:
        case errors.Unavailable():
            retry = {"Retry-After": str(int(RETRY_AFTER.total_seconds()))}
            return Failure(_status(error), str(error), retry, error)
        case errors.TooMany():
            retry = {"Retry-After": str(math.ceil(error.retry_after.total_seconds()))}
            return Failure(_status(error), str(error), retry, error)
        case errors.Misconfigured():
            return replace(CRASHED, error=error)
        case DispatchError():
            return Failure(_status(error), str(error), error=error)
        case HTTPException():
            return Failure(HTTPStatus(error.status_code), error.detail, error.headers or {})
        case RequestValidationError():
            return _unreadable(error)
    return CRASHED


def _status(error: DispatchError) -> HTTPStatus:
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def _unreadable(error: RequestValidationError) -> Failure:
    """Tell a path that names nothing (404) from a parameter that is wrong (400)."""
    faults = error.errors()
    if any(fault["loc"][0] == "path" for fault in faults):
        return Failure(HTTPStatus.NOT_FOUND, "Not found")
    lines = (f"{'.'.join(map(str, fault['loc'][1:]))}: {fault['msg']}" for fault in faults)
    return Failure(HTTPStatus.BAD_REQUEST, "; ".join(lines))
