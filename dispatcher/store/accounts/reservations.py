"""
Reservations: credits, and the daily count, of batches in transactions that applications have begun.

A reservation is committed before the batch is. When the batch's transaction
is over, the batch is there and the reservation has no more use, or it is not
and what was reserved is given back.
"""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.store.accounts.ledger import TAKEN, Charge

_RESERVE = text(f"""
WITH sums AS (
    SELECT CAST(:account_id AS bigint) AS id, CAST(:amount AS bigint) AS amount,
           CAST(:messages AS integer) AS messages
),
{TAKEN}
INSERT INTO reservations (batch_id, account_id, amount, messages, counted_on, transaction_id)
SELECT :batch_id, id, amount, CASE WHEN is_capped THEN messages ELSE 0 END,
       CASE WHEN is_capped THEN CAST(:today AS date) END, :transaction_id
FROM taken RETURNING batch_id
""")

# Asked of the statement's own snapshot, in which the batch is looked up: a transaction that commits in
# between is in progress for both. One that this server has not begun yet was another server's, of which
# this is a copy.
_IS_OVER = """
(pg_visible_in_snapshot(CAST(r.transaction_id AS xid8), pg_current_snapshot())
 OR CAST(r.transaction_id AS xid8) >= pg_snapshot_xmax(pg_current_snapshot()))
"""
_SETTLE = text(f"""
WITH ended AS MATERIALIZED (
    SELECT r.*, EXISTS (SELECT FROM batches b WHERE b.id = r.batch_id) AS is_used
    FROM reservations r WHERE {_IS_OVER}
    ORDER BY r.batch_id LIMIT :limit FOR UPDATE SKIP LOCKED
),
returned AS (
    SELECT DISTINCT ON (account_id) account_id, sum(sum(amount)) OVER (PARTITION BY account_id) AS amount,
           counted_on, sum(messages) AS messages
    FROM ended WHERE NOT is_used GROUP BY account_id, counted_on
    ORDER BY account_id, counted_on DESC NULLS LAST
),
locked AS MATERIALIZED (
    SELECT a.id, g.amount, g.counted_on, g.messages FROM returned g JOIN accounts a ON a.id = g.account_id
    ORDER BY a.id FOR NO KEY UPDATE OF a
),
credited AS (
    UPDATE accounts a SET
        balance = a.balance + g.amount,
        counted = a.counted - CASE WHEN a.counted_on = g.counted_on THEN g.messages ELSE 0 END
    FROM locked g WHERE a.id = g.id
)
DELETE FROM reservations r USING ended e WHERE r.batch_id = e.batch_id RETURNING r.batch_id
""")


@dataclass(frozen=True, slots=True)
class Reservation:
    """A charge that a transaction, by its id in Postgres, makes if it commits; counted on `today`."""

    charge: Charge
    transaction_id: str
    today: date


async def reserve(connection: AsyncConnection, reservation: Reservation) -> bool:
    """
    Take the credits of a charge, and count its messages.

    Return False, without a change, if the balance or the daily cap does not cover it.
    """
    charge = reservation.charge
    values = {
        "account_id": charge.account_id,
        "batch_id": charge.batch_id,
        "amount": charge.amount,
        "messages": charge.messages,
        "today": reservation.today,
        "transaction_id": reservation.transaction_id,
    }
    return await connection.scalar(_RESERVE, values) is not None


async def settle(connection: AsyncConnection, *, limit: int) -> int:
    """End reservations whose transaction is over; return how many. What has no batch is given back."""
    return len((await connection.execute(_SETTLE, {"limit": limit})).all())
