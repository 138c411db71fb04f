"""Reading the queries of GET /messages and GET /inbox."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from starlette.datastructures import QueryParams

from dispatcher.api.dialects.smsgate.mapping import STATUSES, GatewayState, read_query_time
from dispatcher.api.dialects.smsgate.requests import read_boolean, read_integer
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

FILTERS: dict[GatewayState, BatchFilter] = {
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
class MessageQuery:
    """The messages to list, and whether with their texts."""

    filter: BatchFilter
    skip: int
    limit: int
    newest_first: bool
    content: bool


def read_message_query(query: QueryParams, *, device: str) -> MessageQuery:
    """Return the query; the document's `skip` wins over upstream's `offset`. Raises Invalid."""
    state = _state(query)
    some: Sequence[frozenset[Status]] = [] if state is None else FILTERS[state].some
    if query.get("deviceId", device) != device:
        some = [_NONE]
    sort = query.get("sort", "-created_at")
    if sort not in ("created_at", "-created_at"):
        raise Invalid("sort must be created_at or -created_at")
    return MessageQuery(
        filter=BatchFilter(
            since=read_time(query, "from"),
            until=read_time(query, "to"),
            some=some,
            none=_NONE if state is None else FILTERS[state].none,
        ),
        skip=read_skip(query),
        limit=read_limit(query, default=_DEFAULT_LIMIT, maximum=_MAX_LIMIT),
        newest_first=sort == "-created_at",
        content=read_boolean(query, "includeContent"),
    )


def read_skip(query: QueryParams) -> int:
    """Return how many to skip, at least 0. Raises Invalid."""
    return max(read_integer(query, "skip" if "skip" in query else "offset", 0), 0)


def read_limit(query: QueryParams, *, default: int, maximum: int) -> int:
    """Return the page size, limited to 1 up to `maximum`. Raises Invalid."""
    return min(max(read_integer(query, "limit", default), 1), maximum)


def _state(query: QueryParams) -> GatewayState | None:
    value = query.get("state")
    if not value:
        return None
    try:
        return GatewayState(value)
    except ValueError:
        raise Invalid(f"state must be one of {', '.join(GatewayState)}") from None


def read_time(query: QueryParams, name: str) -> datetime | None:
    """Return a time of the query. Raises Invalid."""
    text = query.get(name)
    if not text:
        return None
    try:
        return read_query_time(text)
    except ValueError:
        raise Invalid(f"{name} must be a time in RFC 3339 format: YYYY-MM-DDThh:mm:ssZ") from None
