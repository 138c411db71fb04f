"""The data that quotas are checked against: recent messages by number, and the daily count of an account."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.messages.status import CANCELLED, REFUNDED, Status
from dispatcher.domain.tier import Tier
from dispatcher.store.message_lookup import LOOKED_UP
from dispatcher.store.status_literals import code_list


@dataclass(frozen=True, slots=True)
class EarlierMessage:
    """An earlier message with the same number and text."""

    id: int
    public_id: UUID
    number: str
    status: Status
    created_at: datetime
    batch_id: int
    batch_public_id: UUID
    external_id: str | None
    dialect: str


_LOCK = text("SELECT pg_advisory_xact_lock(4773004, CAST(:account_id AS integer))")
_FIND_SAME_TEXT = text(f"""
SELECT DISTINCT ON (k.number) m.id, m.public_id, m.number, m.status, m.created_at,
       b.id AS batch_id, b.public_id AS batch_public_id, b.external_id, b.dialect
FROM {LOOKED_UP} JOIN batches b ON b.id = m.batch_id
WHERE k.number = ANY(CAST(:numbers AS text[])) AND k.created_at > :since
  AND m.account_id = :account_id AND m.text = :text
  AND m.status NOT IN ({code_list(REFUNDED)})
ORDER BY k.number, m.id DESC
""")
_FIND_BUSIEST = text(f"""
SELECT k.number, count(*) AS n, min(k.created_at) AS oldest FROM {LOOKED_UP}
WHERE k.number = ANY(CAST(:numbers AS text[])) AND k.created_at > :since
  AND m.account_id = :account_id AND m.tier = :tier AND m.status NOT IN ({code_list(CANCELLED)})
GROUP BY k.number HAVING count(*) >= :most ORDER BY n DESC, k.number LIMIT 1
""")
_COUNT = text("""
UPDATE accounts
SET counted_on = :today, counted = CASE WHEN counted_on = :today THEN counted ELSE 0 END + :count
WHERE id = :account_id AND CASE WHEN counted_on = :today THEN counted ELSE 0 END + :count <= :most
RETURNING id
""")


async def lock_account(connection: AsyncConnection, account_id: int) -> None:
    """Lock this account against other submissions whose quotas are checked, until the transaction ends."""
    await connection.execute(_LOCK, {"account_id": account_id % 2**31})


async def find_same_text(
    connection: AsyncConnection, account_id: int, numbers: Sequence[str], content: str, *, since: datetime
) -> dict[str, EarlierMessage]:
    """Return the last message with this text that was or will be sent to each of these numbers, by number."""
    values = {"account_id": account_id, "numbers": list(numbers), "text": content, "since": since}
    rows = await connection.execute(_FIND_SAME_TEXT, values)
    return {
        row.number: EarlierMessage(
            id=row.id,
            public_id=row.public_id,
            number=row.number,
            status=Status(row.status),
            created_at=row.created_at,
            batch_id=row.batch_id,
            batch_public_id=row.batch_public_id,
            external_id=row.external_id,
            dialect=row.dialect,
        )
        for row in rows
    }


async def find_busiest_number(
    connection: AsyncConnection,
    account_id: int,
    numbers: Sequence[str],
    *,
    tier: Tier,
    most: int,
    since: datetime,
) -> tuple[str, datetime] | None:
    """Return the number with the most messages, if they are at least `most`, and the time of the oldest."""
    values = {
        "account_id": account_id,
        "numbers": list(numbers),
        "tier": tier.value,
        "most": most,
        "since": since,
    }
    row = (await connection.execute(_FIND_BUSIEST, values)).one_or_none()
    return None if row is None else (row.number, row.oldest)


async def count_day(
    connection: AsyncConnection, account_id: int, messages: int, *, today: date, most: int
) -> bool:
    """Add to the daily count of an account; return False without a change if it would exceed `most`."""
    values = {"account_id": account_id, "count": messages, "today": today, "most": most}
    return await connection.scalar(_COUNT, values) is not None
