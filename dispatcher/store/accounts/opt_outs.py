"""Numbers that have opted out of messages from an account, or from one of its senders."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class OptOut:
    """One number that has opted out; `sender` None means of all messages of the account."""

    id: int
    number: str
    sender: str | None
    reason: str
    at: datetime


OF_MESSAGE = """
FROM opt_outs o WHERE o.account_id = m.account_id AND o.number = m.number
  AND (o.sender_id IS NULL OR o.sender_id = m.sender_id)
"""
"""The opt-outs that forbid the message `m`, in SQL."""

_FIND = text("""
SELECT DISTINCT g.account_id, g.sender_id, g.number FROM unnest(
    CAST(:accounts AS bigint[]), CAST(:senders AS bigint[]), CAST(:numbers AS text[])
) AS g(account_id, sender_id, number)
JOIN opt_outs o ON o.account_id = g.account_id AND o.number = g.number
  AND (o.sender_id IS NULL OR o.sender_id = g.sender_id)
""")
_INSERT = text("""
INSERT INTO opt_outs (account_id, number, sender_id, reason)
SELECT :account_id, number, CAST(:sender_id AS bigint), :reason
FROM unnest(CAST(:numbers AS text[])) AS g(number) ORDER BY number
ON CONFLICT DO NOTHING RETURNING id
""")
_INSERT_REPORTED = text("""
INSERT INTO opt_outs (account_id, number, sender_id, reason, at)
SELECT DISTINCT account_id, number, sender_id, 'reported by the provider', CAST(:now AS timestamptz)
FROM messages WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY account_id, number, sender_id
ON CONFLICT DO NOTHING
""")
_REMOVE = text("""
DELETE FROM opt_outs WHERE account_id = :account_id AND number = :number
  AND sender_id IS NOT DISTINCT FROM CAST(:sender_id AS bigint) RETURNING id
""")
_PAGE = text("""
SELECT o.id, o.number, s.name, o.reason, o.at FROM opt_outs o LEFT JOIN senders s ON s.id = o.sender_id
WHERE o.account_id = :account_id AND o.id > :after ORDER BY o.id LIMIT :limit
""")


async def find_opted_out(
    connection: AsyncConnection, wanted: Sequence[tuple[int, int | None, str]]
) -> frozenset[tuple[int, int | None, str]]:
    """Return those that have opted out; each is an account, the sender of the message, and a number."""
    values = {
        "accounts": [account_id for account_id, _, _ in wanted],
        "senders": [sender_id for _, sender_id, _ in wanted],
        "numbers": [number for _, _, number in wanted],
    }
    rows = await connection.execute(_FIND, values)
    return frozenset((row.account_id, row.sender_id, row.number) for row in rows)


async def insert(
    connection: AsyncConnection,
    account_id: int,
    numbers: Sequence[str],
    *,
    sender_id: int | None,
    reason: str,
) -> int:
    """Write numbers and return how many were new."""
    values = {
        "account_id": account_id,
        "numbers": list(numbers),
        "sender_id": sender_id,
        "reason": reason,
    }
    return len((await connection.execute(_INSERT, values)).all())


async def insert_reported(connection: AsyncConnection, message_ids: Sequence[int], *, now: datetime) -> None:
    """Write the opt-outs that providers reported: the number and sender of each of these messages."""
    await connection.execute(_INSERT_REPORTED, {"ids": list(message_ids), "now": now})


async def remove(connection: AsyncConnection, account_id: int, number: str, *, sender_id: int | None) -> bool:
    """Remove an opt-out; False means that there was none."""
    values = {"account_id": account_id, "number": number, "sender_id": sender_id}
    return await connection.scalar(_REMOVE, values) is not None


async def page(connection: AsyncConnection, account_id: int, *, after: int, limit: int) -> list[OptOut]:
    """Return opt-outs, the oldest first, after the one with the id `after`."""
    rows = await connection.execute(_PAGE, {"account_id": account_id, "after": after, "limit": limit})
    return [OptOut(*row) for row in rows]
