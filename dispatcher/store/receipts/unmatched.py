"""Receipts that match no message: those that are tried again, and those that were given up."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.messages.status import Status
from dispatcher.store.messages.search import NEWEST


@dataclass(frozen=True, slots=True)
class Unmatched:
    """
    A receipt that matches no message. `ref` is the provider's reference, `reference` ours.

    `wake_at` is when it is tried again; None once it was given up.
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


# Written so that the partial index matches both verdicts.
_PAGE = text("""
SELECT id, provider, ref, reference, status, reason, received_at, tries, wake_at FROM receipts
WHERE verdict IN ('new', 'unknown') AND verdict = :verdict AND id < :before
ORDER BY id DESC LIMIT :limit
""")

_COUNT = text("""
SELECT count(*) FROM (
    SELECT received_at FROM receipts
    WHERE verdict IN ('new', 'unknown') AND verdict = 'unknown' ORDER BY id DESC LIMIT :most
) AS latest WHERE received_at >= :since
""")


async def page(
    connection: AsyncConnection, *, waiting: bool, before: int | None, limit: int
) -> list[Unmatched]:
    """Return receipts that were given up, or those `waiting` for another try; the newest first."""
    verdict = "new" if waiting else "unknown"
    rows = await connection.execute(_PAGE, {"verdict": verdict, "before": before or NEWEST, "limit": limit})
    return [
        Unmatched(
            id=row.id,
            provider=row.provider,
            ref=row.ref,
            reference=row.reference,
            status=None if row.status is None else Status(row.status),
            reason=row.reason,
            received_at=row.received_at,
            tries=row.tries,
            wake_at=row.wake_at,
        )
        for row in rows
    ]


async def count(connection: AsyncConnection, *, since: datetime, most: int) -> int:
    """Return how many receipts since `since` were given up, up to `most`."""
    return int(await connection.scalar(_COUNT, {"since": since, "most": most}) or 0)
