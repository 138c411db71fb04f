"""
Credits: balances, and the ledger with the reason of each change; both change together.

Only what a transaction of an application takes is reserved first, and entered
in the ledger when that commits (`reservations`).

Balances are locked last in a transaction, in the order of accounts. Only a
transaction that is repeated because they had changed locks them first.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_STATEMENT = text("""
SELECT id, at, kind, amount, batch_id, message_id, note FROM ledger
WHERE account_id = :account_id AND (CAST(:before AS bigint) IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit
""")

_LOCK = text("""
SELECT FROM accounts WHERE id = ANY(CAST(:accounts AS bigint[])) ORDER BY id FOR NO KEY UPDATE
""")

# Credits and the daily count change in one statement: two would lock the accounts in two different orders.
_COUNTED = "CASE WHEN a.counted_on = :today THEN a.counted ELSE 0 END + s.messages"
TAKEN = f"""
taken AS (
    UPDATE accounts a SET
        balance = a.balance - s.amount,
        counted = CASE WHEN a.daily_cap IS NULL THEN a.counted ELSE {_COUNTED} END,
        counted_on = CASE WHEN a.daily_cap IS NULL THEN a.counted_on ELSE :today END
    FROM sums s
    WHERE a.id = s.id AND (s.amount = 0 OR a.balance >= s.amount)
      AND (a.daily_cap IS NULL OR s.messages = 0 OR {_COUNTED} <= a.daily_cap)
    RETURNING a.id, s.amount, s.messages, a.daily_cap IS NOT NULL AS is_capped
)
"""
"""Takes what `sums` (account's id, amount, messages) says, from accounts whose credits and cap cover it."""

_TAKE = text(f"""
WITH due AS (
    SELECT * FROM unnest(
        CAST(:accounts AS bigint[]), CAST(:batches AS bigint[]), CAST(:amounts AS bigint[]),
        CAST(:messages AS integer[])
    ) AS d(account_id, batch_id, amount, messages)
),
sums AS (
    SELECT a.id, d.amount, d.messages FROM accounts a
    JOIN (SELECT account_id, sum(amount) AS amount, sum(messages) AS messages FROM due GROUP BY account_id) d
        ON d.account_id = a.id
    WHERE a.id = ANY(CAST(:accounts AS bigint[])) ORDER BY a.id FOR NO KEY UPDATE OF a
),
{TAKEN},
entries AS (
    INSERT INTO ledger (account_id, kind, amount, batch_id)
    SELECT d.account_id, 'charge', -d.amount, d.batch_id FROM due d JOIN taken t ON t.id = d.account_id
    WHERE d.amount > 0 ORDER BY d.batch_id
)
SELECT id FROM taken
""")

_ENTER = text("""
WITH entries AS (
    INSERT INTO ledger (account_id, kind, amount, batch_id)
    SELECT account_id, 'charge', -amount, batch_id
    FROM (SELECT CAST(:account_id AS bigint), CAST(:amount AS bigint), CAST(:batch_id AS bigint))
        AS d(account_id, amount, batch_id)
    WHERE amount > 0
)
SELECT CAST(pg_current_xact_id() AS text)
""")

_ADJUST = text("""
WITH due AS (
    SELECT * FROM unnest(CAST(:batches AS bigint[]), CAST(:amounts AS bigint[])) AS d(batch_id, amount)
),
changed AS (
    UPDATE accounts SET balance = balance + (SELECT sum(amount) FROM due)
    WHERE id = :account_id AND balance + (SELECT sum(amount) FROM due) >= 0 RETURNING id
)
INSERT INTO ledger (account_id, kind, amount, batch_id)
SELECT c.id, 'adjust', d.amount, d.batch_id FROM due d CROSS JOIN changed c ORDER BY d.batch_id
RETURNING id
""")

_TOP_UP = text("""
WITH credited AS (
    UPDATE accounts SET balance = balance + :amount WHERE id = :account_id RETURNING id, balance
),
entries AS (
    INSERT INTO ledger (account_id, kind, amount, note) SELECT id, 'topup', :amount, :note FROM credited
)
SELECT balance FROM credited
""")

_REFUND = text("""
INSERT INTO ledger (account_id, kind, amount, message_id)
SELECT account_id, 'refund', charged, id FROM messages
WHERE id = ANY(CAST(:ids AS bigint[])) AND charged > 0
ORDER BY id
ON CONFLICT (message_id) WHERE kind = 'refund' DO NOTHING
RETURNING account_id, amount
""")

_CREDIT = text("""
UPDATE accounts a SET balance = a.balance + g.amount
FROM (
    SELECT a.id, g.amount
    FROM unnest(CAST(:accounts AS bigint[]), CAST(:amounts AS bigint[])) AS g(id, amount)
    JOIN accounts a USING (id) ORDER BY a.id FOR NO KEY UPDATE OF a
) g
WHERE a.id = g.id
""")


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """
    One change of a balance: a top-up, a batch's charge (below zero), or a message's refund.

    An adjustment is the difference in cost when messages of a batch get
    another text, below zero if they cost more.
    """

    id: int
    at: datetime
    kind: str
    amount: int
    batch_id: int | None
    message_id: int | None
    note: str


async def statement(
    connection: AsyncConnection, account_id: int, *, before: int | None, limit: int
) -> list[LedgerEntry]:
    """Return an account's entries, the newest first."""
    rows = await connection.execute(_STATEMENT, {"account_id": account_id, "before": before, "limit": limit})
    return [LedgerEntry(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Charge:
    """The cost of a batch, and the messages of it that are counted where its account has a daily cap."""

    account_id: int
    batch_id: int
    amount: int
    messages: int = 0


async def lock(connection: AsyncConnection, account_ids: Collection[int]) -> None:
    """Lock the balances and daily counts of these accounts until the transaction ends."""
    await connection.execute(_LOCK, {"accounts": sorted(account_ids)})


async def charge(connection: AsyncConnection, charges: Sequence[Charge], *, today: date) -> bool:
    """
    Take credits for batches, and count their messages.

    Return False if the balance or the daily cap of an account does not cover
    all of its batches; then the transaction must be rolled back.
    """
    if not charges:
        return True
    values = {
        "accounts": [c.account_id for c in charges],
        "batches": [c.batch_id for c in charges],
        "amounts": [c.amount for c in charges],
        "messages": [c.messages for c in charges],
        "today": today,
    }
    taken = (await connection.execute(_TAKE, values)).all()
    return len(taken) == len({c.account_id for c in charges})


async def enter(connection: AsyncConnection, charge: Charge) -> str:
    """Write the entry of a charge whose credits are reserved; return the id of the transaction."""
    values = {"account_id": charge.account_id, "batch_id": charge.batch_id, "amount": charge.amount}
    return str(await connection.scalar(_ENTER, values))


async def adjust(connection: AsyncConnection, account_id: int, amounts: Mapping[int, int]) -> bool:
    """
    Change the cost of batches, by their ids: below zero takes credits, above zero gives them back.

    Return False if the balance does not cover all of it together.
    """
    changes = {batch_id: amount for batch_id, amount in amounts.items() if amount}
    if not changes:
        return True
    values = {"account_id": account_id, "batches": list(changes), "amounts": list(changes.values())}
    return bool((await connection.execute(_ADJUST, values)).all())


async def top_up(connection: AsyncConnection, account_id: int, amount: int, *, note: str) -> int:
    """Add credits; return the new balance."""
    parameters = {"account_id": account_id, "amount": amount, "note": note}
    return int(await connection.scalar(_TOP_UP, parameters) or 0)


async def refund(connection: AsyncConnection, message_ids: Sequence[int]) -> int:
    """Refund the cost of these messages, each at most once; return the sum."""
    if not message_ids:
        return 0
    sums: dict[int, int] = {}
    for row in await connection.execute(_REFUND, {"ids": list(message_ids)}):
        sums[row.account_id] = sums.get(row.account_id, 0) + row.amount
    if sums:
        await connection.execute(_CREDIT, {"accounts": list(sums.keys()), "amounts": list(sums.values())})
    return sum(sums.values())
