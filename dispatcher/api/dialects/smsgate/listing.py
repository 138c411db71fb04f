"""Reading the queries of GET /messages and GET /inbox."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from starlette.datastructures import QueryParams

from dispatcher.api.dialects.smsgate.mapping import STATUSES, GatewayState, read_query_time
from dispatcher.api.dialects.smsgate.requests import flag, whole
from dispatcher.domain.errors import Invalid
from dispatcher.domain.messages.status import Status
from dispatcher.service.messages.search import BatchFilter

_DEFAULT_LIMIT = 20
_MAX_LIMIT = 100
_ALL = frozenset(Status)
_NONE: frozenset[Status] = frozenset()
_PENDING, _CANCELLED = STATUSES[GatewayState.PENDING], STATUSES[GatewayState.CANCELLED]
_SENT, _DELIVERED, _FAILED = (
    STATUSES[s] for s in (GatewayState.SENT, GatewayState.DELIVERED, GatewayState.FAILED)
)

WANTED: dict[GatewayState, BatchFilter] = {
    GatewayState.PENDING: BatchFilter(some=[_PENDING]),
    GatewayState.CANCELLING: BatchFilter(some=[_NONE]),
    GatewayState.CANCELLED: BatchFilter(some=[_CANCELLED], none=_PENDING),
    GatewayState.PROCESSED: BatchFilter(some=[_NONE]),
    # Neither all delivered nor all failed.
    GatewayState.SENT: BatchFilter(some=[_SENT | _FAILED, _SENT | _DELIVERED], none=_PENDING | _CANCELLED),
    GatewayState.DELIVERED: BatchFilter(some=[_DELIVERED], none=_ALL - _DELIVERED),
    GatewayState.FAILED: BatchFilter(some=[_FAILED], none=_ALL - _FAILED),
}
"""The rule of `state_of` as conditions for the database."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The messages to list, and whether with their texts."""

    filter: BatchFilter
    skip: int
    limit: int
    newest_first: bool
    content: bool


def read(query: QueryParams, *, device: str) -> Listing:
    """Return the listing of a query; the document's `skip` wins over upstream's `offset`. Raises Invalid."""
    state = _state(query)
    some: Sequence[frozenset[Status]] = [] if state is None else WANTED[state].some
    if query.get("deviceId", device) != device:
        some = [_NONE]
    sort = query.get("sort", "-created_at")
    if sort not in ("created_at", "-created_at"):
        raise Invalid("sort must be created_at or -created_at")
    return Listing(
        filter=BatchFilter(
            since=moment(query, "from"),
            until=moment(query, "to"),
            some=some,
            none=_NONE if state is None else WANTED[state].none,
        ),
        skip=skipped(query),
        limit=limited(query, default=_DEFAULT_LIMIT, most=_MAX_LIMIT),
        newest_first=sort == "-created_at",
        content=flag(query, "includeContent"),
    )


def skipped(query: QueryParams) -> int:
    """Return how many to skip, at least 0. Raises Invalid."""
    return max(whole(query, "skip" if "skip" in query else "offset", 0), 0)


def limited(query: QueryParams, *, default: int, most: int) -> int:
    """Return the page size, limited to 1 up to `most`. Raises Invalid."""
    return min(max(whole(query, "limit", default), 1), most)


def _state(query: QueryParams) -> GatewayState | None:
    value = query.get("state")
    if not value:
        return None
    try:
        return GatewayState(value)
    except ValueError:
        raise Invalid(f"state must be one of {', '.join(GatewayState)}") from None


def moment(query: QueryParams, name: str) -> datetime | None:
    """Return a time of the query. Raises Invalid."""
    text = query.get(name)
    if not text:
        return None
    try:
        return read_query_time(text)
    except ValueError:
        raise Invalid(f"{name} must be a time in RFC 3339 format: YYYY-MM-DDThh:mm:ssZ") from None
