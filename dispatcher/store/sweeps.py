"""
The clock's statements: each takes a bounded number of rows that nobody else holds.

All skip rows that are locked, so two clocks are harmless and none waits. A
count below the limit means that nothing is left.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.message import Try
from dispatcher.domain.provider import Unknown
from dispatcher.domain.status import Status
from dispatcher.domain.tier import PACE, Tier
from dispatcher.store.moves import PICKED, move
from dispatcher.store.shares import shares
from dispatcher.store.status_literals import EXPIRED, GAVE_UP, SENT


@dataclass(frozen=True, slots=True)
class Expired:
    """A message that has ended; `charged` is what a refund would give back."""

    id: int
    status: Status
    charged: int


_DEPTH = text("SELECT count(*) FROM messages WHERE place = 'lane' AND tier = :tier")
_DEPTHS = text("""
SELECT t.tier, (SELECT count(*) FROM messages m WHERE m.place = 'lane' AND m.tier = t.tier) AS depth
FROM unnest(CAST(:tiers AS text[])) AS t(tier)
""")

# The runs of which nothing goes out, and nothing ends: their campaign is paused, or what waits is moving.
_PAUSED = """
SELECT r.id FROM runs r JOIN batches b ON b.run_id = r.id
WHERE r.state IN ('expanding', 'sending') AND b.paused
"""

# A loose scan over the flows that have something ready, then a bounded turn for each.
_FLOWS = text(f"""
WITH RECURSIVE waiting AS (
    (SELECT account_id, flow FROM messages WHERE place = 'ready' AND tier = :tier
     ORDER BY account_id, flow LIMIT 1)
    UNION ALL
    SELECT next.account_id, next.flow FROM waiting w CROSS JOIN LATERAL (
        SELECT m.account_id, m.flow FROM messages m
        WHERE m.place = 'ready' AND m.tier = :tier AND (m.account_id, m.flow) > (w.account_id, w.flow)
        ORDER BY m.account_id, m.flow LIMIT 1
    ) AS next
)
SELECT account_id, flow FROM waiting WHERE flow NOT IN ({_PAUSED})
""")

_FILL = text(f"""
WITH picked AS MATERIALIZED (
    SELECT turn.id FROM unnest(
        CAST(:accounts AS bigint[]), CAST(:flows AS bigint[]), CAST(:shares AS integer[])
    ) AS f(account_id, flow, share)
    CROSS JOIN LATERAL (
        SELECT id FROM messages m
        WHERE m.place = 'ready' AND m.tier = :tier AND m.account_id = f.account_id AND m.flow = f.flow
        ORDER BY m.tier, m.account_id, m.flow, m.id LIMIT f.share FOR UPDATE SKIP LOCKED
    ) AS turn
)
UPDATE messages m SET place = 'lane', wake_at = CAST(:now AS timestamptz) + CAST(:requeue AS interval)
WHERE {PICKED}
RETURNING m.id
""")

_REQUEUE = text(f"""
WITH picked AS MATERIALIZED (
    SELECT id FROM messages
    WHERE place = 'lane' AND tier = :tier AND wake_at <= :now
    ORDER BY wake_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE messages m SET place = 'ready', wake_at = NULL
WHERE {PICKED}
RETURNING m.id
""")

_EXPIRE = move(
    f"""
    SELECT id, doubts FROM messages
    WHERE not_after <= :now AND place IN ('held', 'ready', 'lane') AND flow <> ALL(ARRAY({_PAUSED}))
    ORDER BY not_after LIMIT :limit FOR UPDATE SKIP LOCKED
    """,
    f"status = CASE WHEN p.doubts = 0 THEN {EXPIRED} ELSE {GAVE_UP} END, place = NULL, wake_at = NULL,"
    " reason = CASE WHEN m.reason IN ('', 'accepted', 'due') THEN 'its window is over'"
    " ELSE 'its window is over; last: ' || m.reason END",
)

_OVERDUE = text("""
SELECT id, attempt, tier, not_after, deferrals, doubts, provider FROM messages
WHERE place = 'worker' AND wake_at <= :now
ORDER BY wake_at LIMIT :limit FOR UPDATE SKIP LOCKED
""")

_NO_RECEIPT = move(
    f"""
    SELECT id FROM messages WHERE status = {SENT} AND wake_at IS NOT NULL AND wake_at <= :now
    ORDER BY wake_at LIMIT :limit FOR UPDATE SKIP LOCKED
    """,
    "wake_at = NULL, reason = 'no_receipt'",
)

_ONLY_FILLER = text("SELECT pg_try_advisory_xact_lock(4773002, CAST(:tier AS integer))")

_UP_SINCE = text("SELECT pg_postmaster_start_time()")


async def depth(connection: AsyncConnection, tier: Tier) -> int:
    """Count what is in a lane."""
    return int(await connection.scalar(_DEPTH, {"tier": tier.value}) or 0)


async def depths(connection: AsyncConnection, tiers: Collection[Tier]) -> dict[Tier, int]:
    """Count what is in these lanes."""
    rows = await connection.execute(_DEPTHS, {"tiers": [tier.value for tier in tiers]})
    return {Tier(row.tier): row.depth for row in rows}


async def is_only_filler(connection: AsyncConnection, tier: Tier) -> bool:
    """Try to be the one that fills this lane, until the transaction ends."""
    return bool(await connection.scalar(_ONLY_FILLER, {"tier": list(Tier).index(tier)}))


async def flows(connection: AsyncConnection, tier: Tier) -> list[tuple[int, int]]:
    """Name the flows that have something ready and may go out, each by its account and its number."""
    rows = await connection.execute(_FLOWS, {"tier": tier.value})
    return [(row.account_id, row.flow) for row in rows]


async def fill(connection: AsyncConnection, tier: Tier, *, room: int, now: datetime) -> Sequence[int]:
    """Move about `room` messages from `ready` into their lane: accounts take turns, and each one's flows."""
    ready = await flows(connection, tier)
    if not ready or room < 1:
        return []
    rows = await connection.execute(
        _FILL,
        {
            "accounts": [account_id for account_id, _ in ready],
            "flows": [flow for _, flow in ready],
            "shares": shares(ready, room),
            "tier": tier.value,
            "now": now,
            "requeue": PACE[tier].requeue,
        },
    )
    return rows.scalars().all()


async def requeue(connection: AsyncConnection, *, tier: Tier, now: datetime, limit: int) -> int:
    """Take back what lay in its lane too long; Redis may have lost it."""
    rows = await connection.execute(_REQUEUE, {"tier": tier.value, "now": now, "limit": limit})
    return len(rows.all())


async def expire(connection: AsyncConnection, *, now: datetime, limit: int) -> list[Expired]:
    """End what no worker holds and whose window is over: 27, or 39 with a doubt."""
    rows = await connection.execute(_EXPIRE, {"now": now, "limit": limit})
    return [Expired(row.id, Status(row.status), row.charged) for row in rows]


async def overdue(connection: AsyncConnection, *, now: datetime, limit: int) -> list[Try]:
    """Lock and read the claims whose lease is over: their worker died, or stands still."""
    rows = await connection.execute(_OVERDUE, {"now": now, "limit": limit})
    return [
        Try(
            message_id=row.id,
            attempt=row.attempt,
            tier=Tier(row.tier),
            not_after=row.not_after,
            deferrals=row.deferrals,
            doubts=row.doubts,
            provider=row.provider,
            outcome=Unknown("its worker went away during the call"),
        )
        for row in rows
    ]


async def no_receipt(connection: AsyncConnection, *, now: datetime, limit: int) -> int:
    """Note on messages still 12 that their receipt time is over; they stay 12."""
    return len((await connection.execute(_NO_RECEIPT, {"now": now, "limit": limit})).all())


async def up_for(connection: AsyncConnection, *, now: datetime) -> timedelta:
    """Tell how long Postgres has been up."""
    started = await connection.scalar(_UP_SINCE)
    assert isinstance(started, datetime)
    return now - started
