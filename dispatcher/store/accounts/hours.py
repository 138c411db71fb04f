"""Allowed hours of accounts, and messages that are held until theirs open."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.hours.allowed_hours import AllowedHours, parse_hours
from dispatcher.domain.messages.waits import WaitKind
from dispatcher.domain.tier import Tier
from dispatcher.store.status_literals import PENDING
from dispatcher.store.transitions import IN_LANE, PICKED, transition
from dispatcher.store.waits import NONE, begin, kind_of

# The hours of the message `m` in the batch `b`: its campaign's, else its account's.
OF_MESSAGE = """
    coalesce(
        CASE WHEN b.run_id IS NOT NULL THEN (
            SELECT c.hours FROM runs r JOIN campaigns c ON c.id = r.campaign_id WHERE r.id = b.run_id
        ) END,
        (SELECT h.hours FROM account_hours h WHERE h.account_id = m.account_id AND h.tier = m.tier)
    )
"""

_OF_ACCOUNT = text("SELECT tier, CAST(hours AS text) AS hours FROM account_hours WHERE account_id = :id")
_SET = text("""
INSERT INTO account_hours (account_id, tier, hours)
SELECT :id, t.tier, CAST(:hours AS jsonb) FROM unnest(CAST(:tiers AS text[])) AS t(tier)
ORDER BY t.tier
ON CONFLICT (account_id, tier) DO UPDATE SET hours = excluded.hours
""")
_CLEAR = text("DELETE FROM account_hours WHERE account_id = :id AND tier = ANY(CAST(:tiers AS text[]))")

_WAIT = transition(
    f"""
    SELECT m.id, w.wake_at, w.closes_at, w.reason
    FROM unnest(
        CAST(:ids AS bigint[]), CAST(:wakes AS timestamptz[]), CAST(:closes AS timestamptz[]),
        CAST(:reasons AS text[])
    ) AS w(id, wake_at, closes_at, reason)
    JOIN messages m ON m.id = w.id AND {IN_LANE}
    ORDER BY m.id FOR UPDATE OF m SKIP LOCKED
    """,
    "place = 'held', wake_at = least(p.wake_at, m.not_after), closes_at = p.closes_at, reason = p.reason,"
    f" {begin(kind_of(WaitKind.HOURS))}",
)

# Each batch begins where the one before ended, in the order of ix_messages_turns. Messages that a worker
# holds again meanwhile, under the new hours, are left.
_MAKE_DUE = text(f"""
WITH picked AS MATERIALIZED (
    SELECT m.id, m.flow, m.tier, m.wake_at FROM messages m
    WHERE m.place = 'held' AND m.wait_kind = {kind_of(WaitKind.HOURS)}
      AND m.tier = ANY(CAST(:tiers AS text[]))
      AND (m.account_id, m.flow, m.tier, m.wake_at) >= (:account_id, :flow, :tier, :from_wake)
      AND (m.account_id, m.flow, m.tier, m.wake_at) < (:account_id + 1, 0, '', '-infinity')
      AND NOT (m.status = {PENDING} AND m.wait_since > :now)
    ORDER BY m.account_id, m.flow, m.tier, m.wake_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE messages m SET wake_at = least(greatest(:now, m.not_before), m.not_after), closes_at = NULL,
    {begin(NONE, since=NONE)}
FROM picked p WHERE m.id = p.id AND {PICKED}
RETURNING p.flow, p.tier, p.wake_at
""")


@dataclass(frozen=True, slots=True)
class HoursWait:
    """A message that waits for its allowed hours, which open at `wake_at` and end at `closes_at`."""

    message_id: int
    wake_at: datetime
    closes_at: datetime | None
    reason: str


class HoursCursor(NamedTuple):
    """A place in the order of an account's held messages."""

    flow: int = 0
    tier: str = ""
    wake_at: datetime = datetime.min.replace(tzinfo=UTC)


async def of_account(connection: AsyncConnection, account_id: int) -> dict[Tier, AllowedHours]:
    """Return the hours that an account has of its own, by tier."""
    rows = await connection.execute(_OF_ACCOUNT, {"id": account_id})
    own = {Tier(row.tier): read(row.hours) for row in rows}
    return {tier: hours for tier in Tier if (hours := own.get(tier)) is not None}


async def write(
    connection: AsyncConnection, account_id: int, tiers: Sequence[Tier], hours: AllowedHours | None
) -> None:
    """Write an account's hours for these tiers; None removes them."""
    values: dict[str, object] = {"id": account_id, "tiers": [tier.value for tier in tiers]}
    if hours is None:
        await connection.execute(_CLEAR, values)
    else:
        await connection.execute(_SET, values | {"hours": json.dumps(hours.as_dict())})


async def hold_until_open(connection: AsyncConnection, waits: Sequence[HoursWait], *, now: datetime) -> None:
    """Hold messages that are in their lane until their hours open."""
    values = {
        "ids": [w.message_id for w in waits],
        "wakes": [w.wake_at for w in waits],
        "closes": [w.closes_at for w in waits],
        "reasons": [w.reason for w in waits],
        "now": now,
    }
    await connection.execute(_WAIT, values)


async def make_due(
    connection: AsyncConnection,
    account_id: int,
    tiers: Sequence[Tier],
    *,
    now: datetime,
    after: HoursCursor,
    limit: int,
) -> HoursCursor | None:
    """
    Make messages due, at their start, that wait for hours of their account.

    Returns where the next batch begins; None if there is none.
    """
    values = {
        "account_id": account_id,
        "tiers": [tier.value for tier in tiers],
        "flow": after.flow,
        "tier": after.tier,
        "from_wake": after.wake_at,
        "now": now,
        "limit": limit,
    }
    rows = (await connection.execute(_MAKE_DUE, values)).all()
    return max((HoursCursor(*row) for row in rows), default=None) if len(rows) >= limit else None


@lru_cache(maxsize=1024)
def read(document: str) -> AllowedHours:
    """Return the hours in the JSON text of a row; cached, because most rows have the same."""
    return parse_hours(json.loads(document))
