"""
Messages that are due leave `held`, for `ready` or directly for their lane.

Each tier has a batch of its own, so many due bulk messages delay no other
tier. Within a tier messages are released in the order of their time. If more
are due than one batch takes, accounts take turns, and so do each account's
flows, as they do when lanes are filled.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import TextClause

from dispatcher.domain.messages.waits import WaitKind
from dispatcher.domain.tier import TIER_LIMITS, Tier
from dispatcher.store.fair_share import fair_shares
from dispatcher.store.status_literals import PENDING, SCHEDULED
from dispatcher.store.transitions import EVENTS, RETURNED
from dispatcher.store.waits import NONE, EndedWait, begin, kind_of


@dataclass(frozen=True, slots=True)
class Released:
    """How many messages of each tier were released, and the ids of those that are in their lane now."""

    counts: Mapping[Tier, int]
    to_lane: Mapping[Tier, Sequence[int]]


# Until its time it waited for that or for what it was held for, and since then for the clock.
_RELEASED = begin(
    f"CASE WHEN p.to_lane THEN {kind_of(WaitKind.WORKER)} ELSE {kind_of(WaitKind.ROOM)} END",
    ended=[EndedWait(until="m.wake_at"), EndedWait(kind_of(WaitKind.TURN), NONE, "m.wake_at")],
)


def _release(turns: str) -> TextClause:
    """
    Return the statement that releases the rows that `turns` selects.

    A row that was already 11 (for a retry or a token) only changes its place:
    it gets no event, and `seq` stays. Critical messages go directly into
    their lane, and others do where no message is ready: then fill would have
    no turns to give. Messages of campaigns never do, because only fill
    knows which campaigns are paused.
    """
    return text(f"""
WITH lanes AS MATERIALIZED (
    SELECT t.tier, t.requeue, CASE
        WHEN t.tier = '{Tier.CRITICAL}' THEN CAST(:limit AS bigint)
        WHEN (
            SELECT true FROM messages r WHERE r.place = 'ready' AND r.tier = t.tier
            ORDER BY r.tier, r.account_id, r.flow, r.id LIMIT 1
        ) THEN 0
        ELSE t.depth - (SELECT count(*) FROM (
            SELECT FROM messages l WHERE l.place = 'lane' AND l.tier = t.tier LIMIT t.depth
        ) AS there)
    END AS room
    FROM unnest(CAST(:tiers AS text[]), CAST(:requeues AS interval[]), CAST(:depths AS bigint[]))
         AS t(tier, requeue, depth)
),
due AS MATERIALIZED (
    SELECT h.id, h.status, h.tier, h.tier <> '{Tier.CRITICAL}' AND h.flow <> 0 AS has_turns, h.wake_at
    FROM {turns}
),
picked AS (
    SELECT d.id, d.status AS was, l.requeue, NOT d.has_turns
           AND row_number() OVER (PARTITION BY d.tier, d.has_turns ORDER BY d.wake_at) <= l.room AS to_lane
    FROM due d JOIN lanes l ON l.tier = d.tier
),
released AS (
    UPDATE messages m
    SET status = {PENDING},
        place = CASE WHEN p.to_lane THEN 'lane' ELSE 'ready' END,
        wake_at = CASE WHEN p.to_lane THEN CAST(:now AS timestamptz) + p.requeue END,
        seq = m.seq + CASE WHEN p.was = {SCHEDULED} THEN 1 ELSE 0 END,
        moved_at = CASE WHEN p.was = {SCHEDULED} THEN greatest(m.moved_at, :now) ELSE m.moved_at END,
        reason = CASE WHEN p.was = {SCHEDULED} THEN 'due' ELSE m.reason END,
        {_RELEASED}
    FROM picked p WHERE m.id = p.id
    RETURNING {RETURNED}, p.was
),
moved AS (SELECT * FROM released WHERE was = {SCHEDULED}),
{EVENTS}
SELECT id, tier, place = 'lane' AS to_lane FROM released ORDER BY id
""")


_RELEASE = _release("""
    lanes t CROSS JOIN LATERAL (
        SELECT m.id, m.status, m.tier, m.flow, m.wake_at FROM messages m
        WHERE m.place = 'held' AND m.tier = t.tier AND m.wake_at <= :now AND m.not_after > :now
        ORDER BY m.tier, m.wake_at LIMIT :limit FOR UPDATE SKIP LOCKED
    ) AS h
""")

# Whole rows are compared so that only ix_messages_turns fits: with another index, the few messages of one
# account would be searched for among the many of the others.
_RELEASE_IN_TURN = _release("""
    unnest(CAST(:accounts AS bigint[]), CAST(:flows AS bigint[]), CAST(:shares AS integer[]))
        AS f(account_id, flow, share)
    CROSS JOIN lanes t
    CROSS JOIN LATERAL (
        SELECT m.id, m.status, m.tier, m.flow, m.wake_at FROM messages m
        WHERE m.place = 'held' AND m.not_after > :now
          AND (m.account_id, m.flow, m.tier, m.wake_at) > (f.account_id, f.flow, t.tier, '-infinity')
          AND (m.account_id, m.flow, m.tier, m.wake_at) <= (f.account_id, f.flow, t.tier, :now)
        ORDER BY m.account_id, m.flow, m.tier, m.wake_at LIMIT f.share FOR UPDATE SKIP LOCKED
    ) AS h
""")

# A loose index scan over the flows that have a held message: the first of each is the next to be due.
_FLOWS = text("""
WITH RECURSIVE waiting AS (
    (SELECT account_id, flow, tier, wake_at FROM messages WHERE place = 'held'
     ORDER BY account_id, flow, tier, wake_at LIMIT 1)
    UNION ALL
    SELECT next.* FROM waiting w CROSS JOIN LATERAL (
        SELECT m.account_id, m.flow, m.tier, m.wake_at FROM messages m
        WHERE m.place = 'held' AND (m.account_id, m.flow, m.tier) > (w.account_id, w.flow, w.tier)
        ORDER BY m.account_id, m.flow, m.tier, m.wake_at LIMIT 1
    ) AS next
)
SELECT account_id, flow FROM waiting WHERE tier = :tier AND wake_at <= :now
""")

# Messages that are held until a provider accepts messages again; an edit may have given them a later window.
_MAKE_DUE = text(f"""
UPDATE messages m SET wake_at = least(:now, m.not_after), {begin(NONE, since=NONE)}
FROM (
    SELECT id FROM messages
    WHERE place = 'held' AND wait_kind = {kind_of(WaitKind.PROVIDER)} AND not_before <= :now
      AND position(E'\\n' || CAST(:provider AS text) || ' ' IN E'\\n' || waits_for) > 0
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
) p
WHERE m.id = p.id
RETURNING m.id
""")

_NEXT_WAKE = text("""
SELECT min(h.wake_at) FROM unnest(CAST(:tiers AS text[])) AS t(tier)
CROSS JOIN LATERAL (
    SELECT m.wake_at FROM messages m
    WHERE m.place = 'held' AND m.tier = t.tier AND m.not_after > :now
    ORDER BY m.tier, m.wake_at LIMIT 1
) AS h
""")


async def release(
    connection: AsyncConnection,
    tiers: Collection[Tier],
    *,
    now: datetime,
    limit: int,
    depths: Mapping[Tier, int],
) -> Released:
    """Release up to `limit` due messages of each tier; where none is ready, into lanes up to these depths."""
    return _released(await connection.execute(_RELEASE, _parameters(tiers, now, limit, depths)))


async def release_in_turn(
    connection: AsyncConnection,
    tier: Tier,
    due: Sequence[tuple[int, int]],
    *,
    now: datetime,
    limit: int,
    depths: Mapping[Tier, int],
) -> Released:
    """Release about `limit` due messages of one tier, a share of each of the flows in `due`."""
    turns = {
        "accounts": [account_id for account_id, _ in due],
        "flows": [flow for _, flow in due],
        "shares": fair_shares(due, limit),
    }
    parameters = _parameters([tier], now, limit, depths) | turns
    return _released(await connection.execute(_RELEASE_IN_TURN, parameters))


async def due_flows(connection: AsyncConnection, tier: Tier, *, now: datetime) -> list[tuple[int, int]]:
    """Return the account and the number of each flow that has a due message."""
    rows = await connection.execute(_FLOWS, {"tier": tier.value, "now": now})
    return [(row.account_id, row.flow) for row in rows]


async def make_due(connection: AsyncConnection, provider: str, *, now: datetime, limit: int) -> int:
    """Make messages that wait for this provider due now, and return how many."""
    values = {"provider": provider, "now": now, "limit": limit}
    return len((await connection.execute(_MAKE_DUE, values)).all())


async def next_wake(
    connection: AsyncConnection, tiers: Collection[Tier], *, now: datetime
) -> datetime | None:
    """Return when the next held message is to be released, None if none is; expired ones do not count."""
    values = {"tiers": [tier.value for tier in tiers], "now": now}
    earliest = await connection.scalar(_NEXT_WAKE, values)
    return earliest if isinstance(earliest, datetime) else None


def _parameters(
    tiers: Collection[Tier], now: datetime, limit: int, depths: Mapping[Tier, int]
) -> dict[str, object]:
    return {
        "now": now,
        "limit": limit,
        "tiers": [tier.value for tier in tiers],
        "requeues": [TIER_LIMITS[tier].requeue for tier in tiers],
        "depths": [depths[tier] for tier in tiers],
    }


def _released(rows: Iterable[Row[Any]]) -> Released:
    counts: Counter[Tier] = Counter()
    to_lane: defaultdict[Tier, list[int]] = defaultdict(list)
    for row in rows:
        tier = Tier(row.tier)
        counts[tier] += 1
        if row.to_lane:
            to_lane[tier].append(row.id)
    return Released(counts, to_lane)
