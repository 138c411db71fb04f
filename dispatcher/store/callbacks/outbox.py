"""The outbox: take the callbacks that are due, accounts in turns, and write the results."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.callbacks.events import CallbackState, InboundEvent, MessageEvent
from dispatcher.domain.callbacks.slots import CallbackCandidate
from dispatcher.domain.inbound.keywords import KeywordAction
from dispatcher.domain.messages.status import Status


@dataclass(frozen=True, slots=True)
class DueCallback:
    """
    A callback that was taken for a try, with the number of that try and its account's secret.

    `previous_secret` is the one that still signs too. `since` is when its
    tries began: when it was written, or replayed. `disabled_reason` says why
    its webhook is switched off; None if it is not, or if it has no webhook.
    """

    id: int
    public_id: UUID
    dialect: str
    url: str
    secret: str
    previous_secret: str | None
    tries: int
    since: datetime
    account_id: int
    disabled_reason: str | None
    event: MessageEvent | InboundEvent


@dataclass(frozen=True, slots=True)
class CallbackResult:
    """The result of one try. `tries` is the fence: a try whose lease has ended changes nothing."""

    id: int
    tries: int
    state: CallbackState
    answer: str
    wake_at: datetime | None


# A loose index scan: the callback of each account that is due first.
_DUE_ACCOUNTS = text("""
WITH RECURSIVE first AS (
    (SELECT account_id, wake_at FROM callbacks WHERE wake_at IS NOT NULL ORDER BY account_id, wake_at LIMIT 1)
    UNION ALL
    SELECT c.account_id, c.wake_at FROM first f CROSS JOIN LATERAL (
        SELECT account_id, wake_at FROM callbacks
        WHERE wake_at IS NOT NULL AND account_id > f.account_id ORDER BY account_id, wake_at LIMIT 1
    ) AS c
)
SELECT account_id FROM first WHERE wake_at <= :now
""")

_CANDIDATES = text("""
SELECT turn.id, turn.account_id, turn.url
FROM unnest(CAST(:accounts AS bigint[])) WITH ORDINALITY AS a(id, ord)
CROSS JOIN LATERAL (
    SELECT id, account_id, url, wake_at FROM callbacks
    WHERE wake_at IS NOT NULL AND account_id = a.id AND wake_at <= :now
      AND dialect = ANY(CAST(:dialects AS text[]))
    ORDER BY wake_at LIMIT :each
) AS turn
ORDER BY a.ord, turn.wake_at
""")

# OFFSET 0: events and inbound messages are looked up one by one, whatever the statistics are.
_TAKE = text("""
WITH picked AS MATERIALIZED (
    SELECT id FROM callbacks WHERE id = ANY(CAST(:ids AS bigint[])) AND wake_at <= :now
    FOR UPDATE SKIP LOCKED
),
taken AS (
    UPDATE callbacks c SET wake_at = CAST(:now AS timestamptz) + CAST(:lease AS interval), tries = c.tries + 1
    WHERE c.id = ANY(ARRAY(SELECT id FROM picked))
    RETURNING c.*
)
SELECT t.id, t.public_id, t.dialect, t.url, t.tries, t.webhook_id, t.event, t.account_id,
       t.seq, a.callback_secret,
       CASE WHEN a.previous_secret_until > :now THEN a.previous_callback_secret END AS previous_secret,
       e.at, e.status, e.reason, m.public_id AS message_id, m.number,
       m.number_as_given, s.name AS sender, b.client_id,
       coalesce(b.external_id, CAST(b.public_id AS text)) AS batch_id,
       i.public_id AS inbound_id, i.received_at, i.sent_at, i.number AS writer, i.recipient, i.text, i.action,
       i.parts, i.missing_parts, greatest(t.created_at, t.replayed_at) AS since, w.disabled_reason
FROM taken t JOIN accounts a ON a.id = t.account_id
LEFT JOIN messages m ON m.id = t.message_id AND m.id = ANY(ARRAY(SELECT message_id FROM taken))
LEFT JOIN LATERAL (
    SELECT at, status, reason FROM message_events WHERE message_id = t.message_id AND seq = t.seq OFFSET 0
) e ON true
LEFT JOIN batches b ON b.id = m.batch_id
LEFT JOIN LATERAL (SELECT * FROM inbound WHERE id = t.inbound_id OFFSET 0) i ON true
LEFT JOIN senders s ON s.id = coalesce(m.sender_id, i.sender_id)
LEFT JOIN webhooks w ON w.account_id = t.account_id AND w.dialect = t.dialect AND w.id = t.webhook_id
                     AND w.url = t.url
ORDER BY t.id
""")

_RECORD = text("""
UPDATE callbacks c
SET state = g.state, answer = g.answer, wake_at = g.wake_at,
    ended_at = CASE WHEN g.wake_at IS NULL THEN CAST(:now AS timestamptz) END
FROM unnest(
    CAST(:ids AS bigint[]), CAST(:tries AS smallint[]), CAST(:states AS text[]),
    CAST(:answers AS text[]), CAST(:wakes AS timestamptz[])
) AS g(id, tries, state, answer, wake_at)
WHERE c.id = g.id AND c.tries = g.tries AND c.state = 'waiting' AND c.id = ANY(CAST(:ids AS bigint[]))
""")


async def due_accounts(connection: AsyncConnection, *, now: datetime) -> list[int]:
    """Return the accounts that have a due callback, by id."""
    return [row.account_id for row in await connection.execute(_DUE_ACCOUNTS, {"now": now})]


async def candidates(
    connection: AsyncConnection,
    accounts: Sequence[int],
    *,
    dialects: Collection[str],
    each: int,
    now: datetime,
) -> list[CallbackCandidate]:
    """Return at most `each` due callbacks of these accounts, in their order, the longest due first."""
    values = {"accounts": list(accounts), "dialects": list(dialects), "each": each, "now": now}
    return [CallbackCandidate(**row._mapping) for row in await connection.execute(_CANDIDATES, values)]


async def take(
    connection: AsyncConnection, ids: Sequence[int], *, now: datetime, lease: timedelta
) -> list[DueCallback]:
    """Take those of these callbacks that nobody else has taken, until the lease ends."""
    values = {"ids": list(ids), "now": now, "lease": lease}
    return [_due(row) for row in await connection.execute(_TAKE, values)]


async def record_results(
    connection: AsyncConnection, results: Sequence[CallbackResult], *, now: datetime
) -> None:
    """Write the results of tries."""
    await connection.execute(
        _RECORD,
        {
            "ids": [e.id for e in results],
            "tries": [e.tries for e in results],
            "states": [e.state.value for e in results],
            "answers": [e.answer for e in results],
            "wakes": [e.wake_at for e in results],
            "now": now,
        },
    )


def _due(row: Row[Any]) -> DueCallback:
    return DueCallback(
        id=row.id,
        public_id=row.public_id,
        dialect=row.dialect,
        url=row.url,
        secret=row.callback_secret,
        previous_secret=row.previous_secret,
        tries=row.tries,
        since=row.since,
        account_id=row.account_id,
        disabled_reason=row.disabled_reason,
        event=_message_event(row) if row.inbound_id is None else _inbound_event(row),
    )


def _message_event(row: Row[Any]) -> MessageEvent:
    return MessageEvent(
        message_id=row.message_id,
        batch_id=row.batch_id,
        account_id=row.account_id,
        seq=row.seq,
        at=row.at,
        status=Status(row.status),
        reason=row.reason,
        number=row.number,
        number_as_given=row.number_as_given,
        sender=row.sender,
        client_id=row.client_id,
        webhook_id=row.webhook_id,
        event=row.event,
    )


def _inbound_event(row: Row[Any]) -> InboundEvent:
    return InboundEvent(
        id=row.inbound_id,
        account_id=row.account_id,
        at=row.received_at,
        sent_at=row.sent_at,
        number=row.writer,
        recipient=row.recipient,
        sender=row.sender,
        text=row.text,
        action=None if row.action is None else KeywordAction(row.action),
        webhook_id=row.webhook_id,
        event=row.event,
        seq=row.seq,
        parts=row.parts,
        missing_parts=tuple(row.missing_parts),
    )
