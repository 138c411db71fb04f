"""Receipts for operators: those that match no message, and odd ones."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.messages.status import Status
from dispatcher.store.messages.search import NEWEST


@dataclass(frozen=True, slots=True)
class ListedReceipt:
    """
    A receipt. `ref` is the provider's reference, `reference` ours, `message_id` its message's id.

    `wake_at` is when it is tried again; None once it was given up. `remark` is
    what was odd about it, "" if nothing was.
    """

    id: int
    provider: str
    ref: str | None
    reference: UUID | None
    status: Status | None
    reason: str
    received_at: datetime
    tries: int
    wake_at: datetime | None
    message_id: int | None
    remark: str


_COLUMNS = "id, provider, ref, reference, status, reason, received_at, tries, wake_at, message_id, remark"

# Written so that the partial index matches both verdicts.
_PAGE = text(f"""
SELECT {_COLUMNS} FROM receipts
WHERE verdict IN ('new', 'unknown') AND verdict = :verdict AND id < :before
ORDER BY id DESC LIMIT :limit
""")

_REMARKED = text(f"""
SELECT {_COLUMNS} FROM receipts WHERE remark <> '' AND id < :before ORDER BY id DESC LIMIT :limit
""")

_COUNT_REMARKED = text("""
SELECT count(*) FROM (
    SELECT received_at FROM receipts WHERE remark <> '' ORDER BY id DESC LIMIT :most
) AS latest WHERE received_at >= :since
""")

_COUNT = text("""
SELECT count(*) FROM (
    SELECT received_at FROM receipts
    WHERE verdict IN ('new', 'unknown') AND verdict = 'unknown' ORDER BY id DESC LIMIT :most
) AS latest WHERE received_at >= :since
""")


async def page(
    connection: AsyncConnection, *, waiting: bool, before: int | None, limit: int
) -> list[ListedReceipt]:
    """Return receipts that were given up, or those `waiting` for another try; the newest first."""
    verdict = "new" if waiting else "unknown"
    rows = await connection.execute(_PAGE, {"verdict": verdict, "before": before or NEWEST, "limit": limit})
    return [_listed(row) for row in rows]


async def page_of_remarked(
    connection: AsyncConnection, *, before: int | None, limit: int
) -> list[ListedReceipt]:
    """Return odd receipts, the newest first."""
    rows = await connection.execute(_REMARKED, {"before": before or NEWEST, "limit": limit})
    return [_listed(row) for row in rows]


async def count(connection: AsyncConnection, *, since: datetime, most: int) -> int:
    """Return how many receipts since `since` were given up, up to `most`."""
    return int(await connection.scalar(_COUNT, {"since": since, "most": most}) or 0)


async def count_remarked(connection: AsyncConnection, *, since: datetime, most: int) -> int:
    """Return how many receipts since `since` were odd, up to `most`."""
    return int(await connection.scalar(_COUNT_REMARKED, {"since": since, "most": most}) or 0)


def _listed(row: Row[Any]) -> ListedReceipt:
    status = None if row.status is None else Status(row.status)
    return ListedReceipt(**{**row._mapping, "status": status})
