"""
The clock's statements: each changes a bounded number of rows and skips those that are locked.

So two clocks do no harm, and neither waits for the other. A count below the
limit means that nothing is left.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.delivery.message import Attempt
from dispatcher.domain.delivery.provider import Unknown
from dispatcher.domain.messages.parts import PartsTaken
from dispatcher.domain.messages.status import Status
from dispatcher.domain.messages.waits import WaitKind
from dispatcher.domain.tier import TIER_LIMITS, Tier
from dispatcher.store.fair_share import fair_shares
from dispatcher.store.parts_taken import MAY_BE_OUT, PARTS_OUT
from dispatcher.store.status_literals import EXPIRED, GAVE_UP, SENT
from dispatcher.store.transitions import PICKED, transition
from dispatcher.store.waits import NONE, begin, kind_of


@dataclass(frozen=True, slots=True)
class Expired:
    """A message that has expired; `charged` is what a refund returns."""

    id: int
    status: Status
    charged: int


_DEPTH = text("SELECT count(*) FROM messages WHERE place = 'lane' AND tier = :tier")
_DEPTHS = text("""
SELECT t.tier, (SELECT count(*) FROM messages m WHERE m.place = 'lane' AND m.tier = t.tier) AS depth
FROM unnest(CAST(:tiers AS text[])) AS t(tier)
""")

# The runs whose messages are neither sent nor expired: the campaign is paused, or windows are being shifted.
_PAUSED = """
SELECT r.id FROM runs r JOIN batches b ON b.run_id = r.id
WHERE r.state IN ('expanding', 'sending') AND b.paused
"""

# A loose index scan over the flows that have a ready message.
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
UPDATE messages m SET place = 'lane', wake_at = CAST(:now AS timestamptz) + CAST(:requeue AS interval),
    {begin(kind_of(WaitKind.WORKER))}
WHERE {PICKED}
RETURNING m.id
""")

_REQUEUE = text(f"""
WITH picked AS MATERIALIZED (
    SELECT id FROM messages
    WHERE place = 'lane' AND tier = :tier AND wake_at <= :now
    ORDER BY wake_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE messages m SET place = 'ready', wake_at = NULL, {begin(kind_of(WaitKind.ROOM))}
WHERE {PICKED}
RETURNING m.id
""")

_EXPIRE = transition(
    f"""
    SELECT id FROM messages
    WHERE not_after <= :now AND place IN ('held', 'ready', 'lane') AND flow <> ALL(ARRAY({_PAUSED}))
    ORDER BY not_after LIMIT :limit FOR UPDATE SKIP LOCKED
    """,
    f"status = CASE WHEN {MAY_BE_OUT} THEN {GAVE_UP} ELSE {EXPIRED} END, place = NULL, wake_at = NULL,"
    f" reason = CASE WHEN m.parts_taken IS NOT NULL THEN 'its window is over; ' || {PARTS_OUT}"
    " WHEN m.reason IN ('', 'accepted', 'due') THEN 'its window is over'"
    f" ELSE 'its window is over; last: ' || m.reason END, {begin(NONE, since=NONE)}",
)

_OVERDUE = text("""
SELECT id, attempt, tier, not_after, deferrals, doubts, provider,
       CAST(parts_taken AS text) AS parts_taken
FROM messages
WHERE place = 'worker' AND wake_at <= :now
ORDER BY wake_at LIMIT :limit FOR UPDATE SKIP LOCKED
""")

_NO_RECEIPT = transition(
    f"""
    SELECT id FROM messages WHERE status = {SENT} AND wake_at IS NOT NULL AND wake_at <= :now
    ORDER BY wake_at LIMIT :limit FOR UPDATE SKIP LOCKED
    """,
    "wake_at = NULL, reason = 'no_receipt'",
)

_TRY_LOCK_FILL = text("SELECT pg_try_advisory_xact_lock(4773002, CAST(:tier AS integer))")

_UP_SINCE = text("SELECT pg_postmaster_start_time()")


async def lane_depth(connection: AsyncConnection, tier: Tier) -> int:
    """Return how many messages are in a lane."""
    return int(await connection.scalar(_DEPTH, {"tier": tier.value}) or 0)


async def lane_depths(connection: AsyncConnection, tiers: Collection[Tier]) -> dict[Tier, int]:
    """Return how many messages are in each of these lanes."""
    rows = await connection.execute(_DEPTHS, {"tiers": [tier.value for tier in tiers]})
    return {Tier(row.tier): row.depth for row in rows}


async def try_lock_fill(connection: AsyncConnection, tier: Tier) -> bool:
    """Return whether this transaction got the lock to fill the lane, which it holds until it ends."""
    return bool(await connection.scalar(_TRY_LOCK_FILL, {"tier": list(Tier).index(tier)}))


async def ready_flows(connection: AsyncConnection, tier: Tier) -> list[tuple[int, int]]:
    """Return the account and the number of each flow that has a ready message and is not paused."""
    rows = await connection.execute(_FLOWS, {"tier": tier.value})
    return [(row.account_id, row.flow) for row in rows]


async def fill(connection: AsyncConnection, tier: Tier, *, room: int, now: datetime) -> Sequence[int]:
    """Move about `room` ready messages into their lane, accounts and their flows in turns; return the ids."""
    ready = await ready_flows(connection, tier)
    if not ready or room < 1:
        return []
    rows = await connection.execute(
        _FILL,
        {
            "accounts": [account_id for account_id, _ in ready],
            "flows": [flow for _, flow in ready],
            "shares": fair_shares(ready, room),
            "tier": tier.value,
            "now": now,
            "requeue": TIER_LIMITS[tier].requeue,
        },
    )
    return rows.scalars().all()


async def requeue(connection: AsyncConnection, *, tier: Tier, now: datetime, limit: int) -> int:
    """Move messages that were in their lane too long, as Redis may have lost them, to `ready`; count them."""
    rows = await connection.execute(_REQUEUE, {"tier": tier.value, "now": now, "limit": limit})
    return len(rows.all())


async def expire(connection: AsyncConnection, *, now: datetime, limit: int) -> list[Expired]:
    """End messages whose window is over and that no worker holds: 27, or 39 if it may be out; return them."""
    rows = await connection.execute(_EXPIRE, {"now": now, "limit": limit})
    return [Expired(row.id, Status(row.status), row.charged) for row in rows]


async def lock_overdue(connection: AsyncConnection, *, now: datetime, limit: int) -> list[Attempt]:
    """Lock and return the claims whose lease is over: their worker has died or hangs."""
    rows = await connection.execute(_OVERDUE, {"now": now, "limit": limit})
    return [
        Attempt(
            message_id=row.id,
            attempt=row.attempt,
            tier=Tier(row.tier),
            not_after=row.not_after,
            deferrals=row.deferrals,
            doubts=row.doubts,
            provider=row.provider,
            outcome=Unknown("its worker went away during the call"),
            parts_taken=PartsTaken.read(row.parts_taken) if row.parts_taken else None,
        )
        for row in rows
    ]


async def mark_no_receipt(connection: AsyncConnection, *, now: datetime, limit: int) -> int:
    """Add a `no_receipt` event to messages that are 12 when their receipt is overdue; return how many."""
    return len((await connection.execute(_NO_RECEIPT, {"now": now, "limit": limit})).all())


async def uptime(connection: AsyncConnection, *, now: datetime) -> timedelta:
    """Return how long Postgres has been running."""
    started = await connection.scalar(_UP_SINCE)
    assert isinstance(started, datetime)
    return now - started
