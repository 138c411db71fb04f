"""What delays messages now: those that wait for providers, and the oldest that is due. Both are bounded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.messages.waits import WaitKind, barred_states
from dispatcher.domain.tier import Tier
from dispatcher.store.waits import kind_of

_MOST_FLOWS = 100
_MOST_IN_LANE = 100


@dataclass(frozen=True, slots=True)
class ProviderWait:
    """
    Messages that wait for the same providers, which were in these states when they began to wait.

    `since` is when the first of them began.
    """

    states: Mapping[str, str]
    count: int
    since: datetime


@dataclass(frozen=True, slots=True)
class OpenMessages:
    """
    Accepted messages that are not with a provider, and are routed alike.

    `number` is the beginning that the table of routes compares.
    `only_provider` is the one that has some parts of the text.
    """

    country: str
    number: str
    tier: Tier
    sender: str
    account: str
    is_test: bool
    only_provider: str | None
    count: int


_PROVIDER_WAITS = text(f"""
SELECT waits_for, count(*) AS n, min(wait_since) AS since FROM (
    SELECT waits_for, wait_since FROM messages
    WHERE place = 'held' AND wait_kind = {kind_of(WaitKind.PROVIDER)} ORDER BY id LIMIT :limit
) AS waiting
GROUP BY waits_for ORDER BY n DESC, waits_for
""")

# Retries are due soon: those of a provider are among the next of each tier to be looked at.
_RETRIES = text(f"""
SELECT count(*) FROM unnest(CAST(:tiers AS text[])) AS t(tier)
CROSS JOIN LATERAL (
    SELECT m.provider, m.wait_kind FROM messages m WHERE m.place = 'held' AND m.tier = t.tier
    ORDER BY m.tier, m.wake_at LIMIT :limit
) AS next
WHERE next.wait_kind = {kind_of(WaitKind.RETRY)} AND next.provider = :provider
""")

# A message is due since its own time, or since its last wait for something else than the dispatcher itself:
# a lane that nobody consumes returns it to `ready` again and again. Of the ready ones only the next of each
# flow counts, and none of a paused campaign.
_OWN_WAITS = ", ".join(kind_of(kind) for kind in (WaitKind.TURN, WaitKind.ROOM, WaitKind.WORKER))
_DUE_SINCE = f"""greatest(m.not_before, m.created_at, (
    SELECT max(CAST(w.value ->> 'until' AS timestamptz))
    FROM jsonb_array_elements(m.waits) AS w WHERE w.value ->> 'kind' NOT IN ({_OWN_WAITS})
))"""
_OLDEST_DUE = text(f"""
WITH RECURSIVE flows AS (
    (SELECT account_id, flow, 1 AS number FROM messages WHERE place = 'ready' AND tier = :tier
     ORDER BY account_id, flow LIMIT 1)
    UNION ALL
    SELECT next.account_id, next.flow, f.number + 1 FROM flows f CROSS JOIN LATERAL (
        SELECT m.account_id, m.flow FROM messages m
        WHERE m.place = 'ready' AND m.tier = :tier AND (m.account_id, m.flow) > (f.account_id, f.flow)
        ORDER BY m.account_id, m.flow LIMIT 1
    ) AS next
    WHERE f.number < :flows
),
paused AS (
    SELECT r.id FROM runs r JOIN batches b ON b.run_id = r.id
    WHERE r.state IN ('expanding', 'sending') AND b.paused
)
SELECT least(
    (SELECT m.wake_at FROM messages m
     WHERE m.place = 'held' AND m.tier = :tier AND m.wake_at <= :now AND m.not_after > :now
     ORDER BY m.tier, m.wake_at LIMIT 1),
    (SELECT min(next.due) FROM flows f CROSS JOIN LATERAL (
        SELECT {_DUE_SINCE} AS due FROM messages m
        WHERE m.place = 'ready' AND m.tier = :tier AND m.account_id = f.account_id AND m.flow = f.flow
        ORDER BY m.id LIMIT 1
     ) AS next WHERE f.flow NOT IN (SELECT id FROM paused)),
    (SELECT min(oldest.due) FROM (
        SELECT {_DUE_SINCE} AS due FROM messages m
        WHERE m.place = 'lane' AND m.tier = :tier ORDER BY m.tier, m.wake_at LIMIT :in_lane
     ) AS oldest)
)
""")


_OPEN = text("""
SELECT o.country, o.start, o.tier, coalesce(s.name, '') AS sender, a.name AS account, o.is_test,
       o.only_provider, o.n
FROM (
    SELECT country, start, tier, sender_id, account_id, is_test, only_provider, count(*) AS n FROM (
        SELECT country, left(number, :reach) AS start, tier, sender_id, account_id, is_test,
               CASE WHEN parts_taken IS NOT NULL THEN provider END AS only_provider
        FROM messages WHERE place IN ('held', 'ready', 'lane') LIMIT :limit
    ) AS sample
    GROUP BY country, start, tier, sender_id, account_id, is_test, only_provider
) AS o
JOIN accounts a ON a.id = o.account_id
LEFT JOIN senders s ON s.id = o.sender_id
""")


async def provider_waits(connection: AsyncConnection, *, limit: int) -> Sequence[ProviderWait]:
    """Return which providers messages wait for, and how many; at most `limit` messages are counted."""
    rows = await connection.execute(_PROVIDER_WAITS, {"limit": limit})
    return [
        ProviderWait(dict(barred_states(row.waits_for)), row.n, row.since)
        for row in rows
        if row.waits_for is not None
    ]


async def retries(connection: AsyncConnection, provider: str, *, limit: int) -> int:
    """Return how many of the next `limit` held messages of each tier wait for a try after this provider's."""
    values = {"provider": provider, "limit": limit, "tiers": [tier.value for tier in Tier]}
    return await connection.scalar(_RETRIES, values) or 0


async def oldest_due(connection: AsyncConnection, tier: Tier, *, now: datetime) -> datetime | None:
    """Return since when the oldest due message of a tier waits for the dispatcher; None if none is due."""
    values = {"tier": tier.value, "now": now, "flows": _MOST_FLOWS, "in_lane": _MOST_IN_LANE}
    due = await connection.scalar(_OLDEST_DUE, values)
    return due if isinstance(due, datetime) else None


async def open_messages(connection: AsyncConnection, *, reach: int, limit: int) -> Sequence[OpenMessages]:
    """Return the messages that are not with a provider, in groups that are routed alike; at most `limit`."""
    rows = await connection.execute(_OPEN, {"reach": reach, "limit": limit})
    return [
        OpenMessages(
            country=row.country,
            number=row.start,
            tier=Tier(row.tier),
            sender=row.sender,
            account=row.account,
            is_test=row.is_test,
            only_provider=row.only_provider,
            count=row.n,
        )
        for row in rows
    ]
