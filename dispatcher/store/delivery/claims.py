"""
The way of messages from their lane to a claim: read, hold, drop, claim.

The fence of a read is `seq`, the fence of a claim is its attempt number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.delivery.message import DueMessage
from dispatcher.domain.messages.parts import PartsTaken
from dispatcher.domain.messages.status import Status
from dispatcher.domain.messages.waits import WaitKind
from dispatcher.domain.messages.window import Window
from dispatcher.domain.tier import Tier
from dispatcher.store.accounts import hours, opt_outs
from dispatcher.store.parts_taken import MAY_BE_OUT, PARTS_OUT
from dispatcher.store.status_literals import GAVE_UP
from dispatcher.store.transitions import IN_LANE, transition
from dispatcher.store.waits import LAST_UNTIL, NONE, NOW, EndedWait, begin, kept, kind_of

# Each message has a batch; the outer join keeps the planner from starting with the batches.
_READ = text(f"""
SELECT m.id, m.public_id, m.seq, m.account_id, m.tier, m.number, m.country, s.name AS sender,
       s.disabled_at IS NULL AS sender_usable, m.text, m.segments, m.not_before, m.not_after,
       m.attempt, m.deferrals, m.doubts, m.is_test, b.paused, m.traceparent, m.provider,
       CAST(m.parts_taken AS text) AS parts_taken,
       CAST({hours.OF_MESSAGE} AS text) AS hours,
       EXISTS (SELECT 1 {opt_outs.OF_MESSAGE}) AS opted_out
FROM messages m LEFT JOIN batches b ON b.id = m.batch_id LEFT JOIN senders s ON s.id = m.sender_id
WHERE m.id = ANY(CAST(:ids AS bigint[])) AND {IN_LANE}
ORDER BY m.id
""")

_PROVIDER = "CAST(:provider AS text)"
# The wait in the lane ended when the wait in the worker began, if that is one. A message that went through
# `ready` meanwhile has waited for something else until it was in its lane again.
_IN_WORKER = (
    EndedWait(until=f"coalesce(p.waited_since, {NOW})"),
    EndedWait("p.waited_for", _PROVIDER, "p.waited_since"),
)

# Opt-outs are looked up row by row: a join might be planned to read all of them.
_CLAIM = text(f"""
UPDATE messages m
SET place = 'worker', wake_at = :lease_end, attempt = m.attempt + 1, seq = m.seq + 1,
    provider = :provider, {begin(kind_of(WaitKind.ANSWER), detail=_PROVIDER, ended=_IN_WORKER)}
FROM (
    SELECT m.id, c.seq, c.waited_for,
           CASE WHEN c.waited_for IS NOT NULL THEN greatest(c.waited_since, m.wait_since) END AS waited_since
    FROM unnest(CAST(:ids AS bigint[]), CAST(:seqs AS integer[]), CAST(:waited_for AS text[]),
                CAST(:waited_since AS timestamptz[])) AS c(id, seq, waited_for, waited_since)
    JOIN messages m ON m.id = c.id AND m.seq = c.seq AND {IN_LANE}
    WHERE :lease_end > clock_timestamp() AND (SELECT true {opt_outs.OF_MESSAGE} LIMIT 1) IS NULL
    ORDER BY m.id FOR UPDATE OF m SKIP LOCKED
) p
WHERE m.id = p.id
RETURNING m.id, p.seq, m.attempt
""")

_DROP = transition(
    f"""
    SELECT m.id, d.status, d.reason
    FROM unnest(CAST(:ids AS bigint[]), CAST(:statuses AS smallint[]), CAST(:reasons AS text[]))
         AS d(id, status, reason)
    JOIN messages m ON m.id = d.id AND {IN_LANE}
    ORDER BY m.id FOR UPDATE OF m SKIP LOCKED
    """,
    # A message that may be out, or is in part, must not get a status that is refunded.
    f"status = CASE WHEN {MAY_BE_OUT} THEN {GAVE_UP} ELSE p.status END, place = NULL, wake_at = NULL,"
    f" reason = p.reason || CASE WHEN m.parts_taken IS NULL THEN '' ELSE '; ' || {PARTS_OUT} END,"
    f" {begin(NONE, since=NONE)}",
)

# A message that was held for the same a moment ago has not stopped waiting for it.
_GOES_ON = (
    "(m.waits -> -1 ->> 'kind' = p.kind AND m.waits -> -1 ->> 'detail' = p.detail"
    f" AND {LAST_UNTIL} > p.since - interval '2 s')"
)
_HELD = EndedWait(until="p.since")

_HOLD = text(f"""
UPDATE messages m SET place = 'held', wake_at = least(p.wake_at, m.not_after), closes_at = NULL,
    waits = CASE WHEN {_GOES_ON} THEN m.waits - -1 ELSE {kept(_HELD)} END,
    wait_kind = p.kind, waits_for = p.detail,
    wait_since = CASE WHEN {_GOES_ON} THEN CAST(m.waits -> -1 ->> 'since' AS timestamptz) ELSE p.since END
FROM (
    SELECT m.id, h.wake_at, greatest(h.since, m.wait_since) AS since, h.kind, h.detail
    FROM unnest(CAST(:ids AS bigint[]), CAST(:wakes AS timestamptz[]), CAST(:since AS timestamptz[]),
                CAST(:kinds AS text[]), CAST(:details AS text[])) AS h(id, wake_at, since, kind, detail)
    JOIN messages m ON m.id = h.id AND {IN_LANE}
    ORDER BY m.id FOR UPDATE OF m SKIP LOCKED
) p
WHERE m.id = p.id
RETURNING m.wake_at
""")

_RETURNED = EndedWait(
    "coalesce(CAST(:waited_for AS text), m.wait_kind)", "coalesce(CAST(:detail AS text), m.waits_for)"
)
_RETURN_TO_READY = text(f"""
UPDATE messages m SET place = 'ready', wake_at = NULL, {begin(kind_of(WaitKind.ROOM), ended=[_RETURNED])}
FROM (
    SELECT m.id FROM messages m
    WHERE m.id = ANY(CAST(:ids AS bigint[])) AND {IN_LANE}
    ORDER BY m.id FOR UPDATE SKIP LOCKED
) p
WHERE m.id = p.id
""")


@dataclass(frozen=True, slots=True)
class ChangedMessage:
    """A message whose status was changed; `charged` is the amount of a refund."""

    id: int
    status: Status
    charged: int


@dataclass(frozen=True, slots=True)
class MessageVersion:
    """A message, and the `seq` that it had when it was read."""

    id: int
    seq: int


@dataclass(frozen=True, slots=True)
class WorkerWait:
    """The wait of a message in its worker, for a token or a slot of the provider that is called."""

    kind: WaitKind
    since: datetime


@dataclass(frozen=True, slots=True)
class HeldMessage:
    """A message that waits out of its lane until `until`, and for what, since when."""

    id: int
    until: datetime
    kind: WaitKind
    detail: str
    since: datetime


@dataclass(frozen=True, slots=True)
class DroppedMessage:
    """A message that ends without being sent, with its status and the reason."""

    id: int
    status: Status
    reason: str


async def read(connection: AsyncConnection, ids: Sequence[int]) -> list[DueMessage]:
    """Return those of these messages that are still in their lane."""
    return [_due(row) for row in await connection.execute(_READ, {"ids": list(ids)})]


async def claim(
    connection: AsyncConnection,
    wanted: Sequence[MessageVersion],
    *,
    provider: str,
    now: datetime,
    lease_end: datetime,
    waits: Mapping[MessageVersion, WorkerWait] = MappingProxyType({}),
) -> dict[MessageVersion, int]:
    """
    Claim messages for this worker and return the attempt of each that was claimed.

    A message is claimed if it is still in its lane with the `seq` that was
    read, and if the lease has not ended yet. A message whose number has opted
    out since stays in its lane; its next read leads to 26. `provider` is the
    one that is called first. `waits` are those in this worker that just end.
    """
    waited = [waits.get(version) for version in wanted]
    values = {
        "ids": [version.id for version in wanted],
        "seqs": [version.seq for version in wanted],
        "waited_for": [wait and wait.kind.value for wait in waited],
        "waited_since": [wait and wait.since for wait in waited],
        "now": now,
        "provider": provider,
        "lease_end": lease_end,
    }
    rows = await connection.execute(_CLAIM, values)
    return {MessageVersion(row.id, row.seq): row.attempt for row in rows}


async def drop(
    connection: AsyncConnection, dropped: Sequence[DroppedMessage], *, now: datetime
) -> list[ChangedMessage]:
    """End messages in their lane that cannot be sent; return those that were ended."""
    rows = await connection.execute(
        _DROP,
        {
            "ids": [d.id for d in dropped],
            "statuses": [int(d.status) for d in dropped],
            "reasons": [d.reason for d in dropped],
            "now": now,
        },
    )
    return [ChangedMessage(row.id, Status(row.status), row.charged) for row in rows]


async def hold(connection: AsyncConnection, held: Sequence[HeldMessage]) -> datetime | None:
    """
    Hold messages that are in their lane until these times, and return the earliest of them.

    It does not count as an attempt.
    """
    values = {
        "ids": [h.id for h in held],
        "wakes": [h.until for h in held],
        "since": [h.since for h in held],
        "kinds": [h.kind.value for h in held],
        "details": [h.detail for h in held],
    }
    rows = await connection.execute(_HOLD, values)
    return min((row.wake_at for row in rows), default=None)


async def return_to_ready(
    connection: AsyncConnection, ids: Sequence[int], *, now: datetime, token_of: str | None = None
) -> None:
    """
    Move messages that were read but not claimed from their lane back to `ready`.

    `token_of` is the provider whose tokens they waited for in the worker.
    """
    waited_for = None if token_of is None else WaitKind.TOKEN.value
    values = {"ids": list(ids), "now": now, "waited_for": waited_for, "detail": token_of}
    await connection.execute(_RETURN_TO_READY, values)


def _due(row: Sequence[Any]) -> DueMessage:
    # Unpacked in the order of _READ: reading twenty columns by name takes longer than creating the message.
    (
        message_id, public_id, seq, account_id, tier, number, country, sender, usable, content, segments,
        not_before, not_after, attempt, deferrals, doubts, is_test, paused, traceparent, provider,
        parts_taken, own_hours, opted_out,
    ) = row  # fmt: skip
    return DueMessage(
        id=message_id,
        public_id=public_id,
        seq=seq,
        account_id=account_id,
        tier=Tier(tier),
        number=number,
        country=country,
        sender=sender,
        sender_usable=bool(usable),
        text=content,
        segments=segments,
        window=Window(not_before, not_after),
        attempt=attempt,
        deferrals=deferrals,
        doubts=doubts,
        is_test=is_test,
        opted_out=bool(opted_out),
        paused=paused,
        hours=hours.read(own_hours) if own_hours else None,
        traceparent=traceparent,
        provider=provider,
        parts_taken=PartsTaken.read(parts_taken) if parts_taken else None,
    )
