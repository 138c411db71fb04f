"""Paging: `limit` and `cursor` in the query, `items` and the `next` cursor in the response."""

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, Protocol, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel

from dispatcher.api.manage.fields import QueryCount
from dispatcher.domain.errors import Invalid

MAX_LIMIT = 200
_DEFAULT_LIMIT = 50
_ID = re.compile(r"[0-9]{1,18}")

T = TypeVar("T")


class Numbered(Protocol):
    """An item with an id, from which the next page continues."""

    @property
    def id(self) -> int:
        """Its id."""


F = TypeVar("F", bound=Numbered)


class Page(BaseModel, Generic[T]):
    """A page of items, and the cursor of the next page; null if this is the last."""

    items: list[T]
    next: str | None


@dataclass(frozen=True, slots=True)
class Paging:
    """The size of a page, and the id to continue from; None at the start."""

    limit: int
    last: int | None

    @property
    def after(self) -> int:
        """The id to continue after, in lists with the oldest first."""
        return self.last or 0

    @property
    def probe(self) -> int:
        """How many items to read: one more than the page has, to find out whether there are more."""
        return self.limit + 1

    def page(self, found: Sequence[F], response: Callable[[F], T]) -> Page[T]:
        """Return the page for items that were read with `probe` as the limit."""
        kept = found[: self.limit]
        return page(map(response, kept), kept[-1].id if len(found) > self.limit else None)


def page(items: "map[T] | Sequence[T]", last: int | None) -> Page[T]:
    """Return a page; `last` is the id to continue from, None at the end."""
    return Page(items=list(items), next=None if last is None else cursor(last))


def cursor(last: int) -> str:
    """Return the cursor that continues from this id."""
    return urlsafe_b64encode(str(last).encode()).decode().rstrip("=")


async def _paging(
    limit: Annotated[
        QueryCount, Query(ge=1, le=MAX_LIMIT, description="The largest number of items.")
    ] = _DEFAULT_LIMIT,
    cursor: Annotated[str | None, Query(description="The `next` of the previous page.")] = None,
) -> Paging:
    return Paging(limit, None if cursor is None else _read(cursor))


def _read(cursor: str) -> int:
    try:
        last = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        last = ""
    if not _ID.fullmatch(last):
        raise Invalid("the cursor is not valid: pass the `next` of a page, or none for the first page")
    return int(last)


Paged = Annotated[Paging, Depends(_paging)]
