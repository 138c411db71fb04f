"""New messages from handsets, and those that a late part changes, each written with all its effects."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.inbound.keywords import KeywordAction
from dispatcher.store.message_lookup import LOOKED_UP


@dataclass(frozen=True, slots=True)
class NewInbound:
    """A message from a handset to be stored. `codes` are the forms of the address that it was sent to."""

    public_id: UUID
    provider: str
    ref: str | None
    number: str
    recipient: str
    codes: frozenset[str]
    text: str
    action: KeywordAction | None
    sent_at: datetime | None
    parts: int = 1
    missing_parts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangedInbound:
    """A stored message that a late part changes. `codes` are as in NewInbound."""

    public_id: UUID
    codes: frozenset[str]
    text: str
    action: KeywordAction | None
    missing_parts: tuple[int, ...]


# The owners of a code are the senders of that name. If several accounts share a code, the message belongs to
# the account that last sent to the number from it. If none did, the message belongs to no account, but its
# keyword (stop, start) applies to all of them. Of several keywords of one number the last one counts.
_OWNERS = """
owners AS MATERIALIZED (
    SELECT c.public_id, s.account_id, s.id AS sender_id,
           min(s.account_id) OVER code <> max(s.account_id) OVER code AS shared
    FROM unnest(CAST(:code_ids AS uuid[]), CAST(:codes AS text[])) AS c(public_id, name)
    JOIN senders s ON s.name = c.name
    WINDOW code AS (PARTITION BY c.public_id)
)
"""

# What follows from the messages in `kept`, which are stored or changed. No webhook may keep a message from
# being stored, not even one that `service.callbacks.webhooks` would refuse today.
_CONSEQUENCES = """
requested AS (
    SELECT DISTINCT ON (o.account_id, k.number, o.sender_id) o.account_id, k.number, o.sender_id, k.action
    FROM kept k JOIN owners o USING (public_id)
    WHERE k.action IN ('stop', 'start') AND o.sender_id = coalesce(k.sender_id, o.sender_id)
    ORDER BY o.account_id, k.number, o.sender_id, k.id DESC
),
stopped AS (
    INSERT INTO opt_outs (account_id, number, sender_id, reason, at)
    SELECT account_id, number, sender_id, 'STOP by SMS', :now FROM requested WHERE action = 'stop'
    ORDER BY account_id, number, sender_id
    ON CONFLICT DO NOTHING
),
started AS (
    DELETE FROM opt_outs o USING requested a
    WHERE a.action = 'start' AND o.account_id = a.account_id AND o.number = a.number
      AND o.sender_id = a.sender_id
),
calling AS (
    INSERT INTO callbacks (account_id, inbound_id, seq, dialect, url, webhook_id, event, created_at, wake_at)
    SELECT k.account_id, k.id, k.seq, w.dialect, w.url, w.id, w.event, :now, :now
    FROM kept k JOIN webhooks w ON w.account_id = k.account_id AND w.inbound AND w.disabled_at IS NULL
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM kept
"""

# A joined message has the reference of one of its parts, which another message may have: then it has none.
_INSERT = text(f"""
WITH received AS MATERIALIZED (
    SELECT * FROM unnest(
        CAST(:ids AS uuid[]), CAST(:providers AS text[]), CAST(:refs AS text[]), CAST(:numbers AS text[]),
        CAST(:recipients AS text[]), CAST(:texts AS text[]), CAST(:actions AS text[]),
        CAST(:sents AS timestamptz[]), CAST(:parts AS smallint[]), CAST(:missing AS text[])
    ) WITH ORDINALITY AS t(public_id, provider, ref, number, recipient, text, action, sent_at, parts, missing,
                           ord)
),
{_OWNERS},
owner AS (
    SELECT DISTINCT ON (o.public_id) o.public_id, o.account_id, o.sender_id
    FROM owners o JOIN received t USING (public_id)
    CROSS JOIN LATERAL (
        SELECT max(m.moved_at) AS at FROM {LOOKED_UP}
        WHERE o.shared AND k.number = t.number AND m.sender_id = o.sender_id AND m.attempt > 0
          AND m.moved_at > :since
    ) AS wrote
    WHERE wrote.at IS NOT NULL OR NOT o.shared
    ORDER BY o.public_id, wrote.at DESC NULLS LAST, o.sender_id
),
kept AS (
    INSERT INTO inbound (public_id, provider, ref, account_id, sender_id, number, recipient, text, action,
                         sent_at, received_at, parts, missing_parts)
    SELECT public_id, t.provider,
           CASE WHEN t.parts = 1 OR NOT EXISTS (
               SELECT 1 FROM inbound i WHERE i.provider = t.provider AND i.ref = t.ref
           ) THEN t.ref END,
           o.account_id, o.sender_id, t.number, t.recipient, t.text, t.action, t.sent_at, :now, t.parts,
           CAST(t.missing AS smallint[])
    FROM received t LEFT JOIN owner o USING (public_id) ORDER BY t.ord
    ON CONFLICT (provider, ref) WHERE ref IS NOT NULL DO NOTHING
    RETURNING id, public_id, account_id, sender_id, number, action, seq
),
{_CONSEQUENCES}
""")

_CHANGE = text(f"""
WITH changed AS MATERIALIZED (
    SELECT * FROM unnest(
        CAST(:ids AS uuid[]), CAST(:texts AS text[]), CAST(:actions AS text[]), CAST(:missing AS text[])
    ) AS t(public_id, text, action, missing)
),
{_OWNERS},
kept AS (
    UPDATE inbound i
    SET text = t.text, action = t.action, missing_parts = CAST(t.missing AS smallint[]), seq = i.seq + 1,
        updated_at = :now
    FROM changed t WHERE i.public_id = t.public_id
    RETURNING i.id, i.public_id, i.account_id, i.sender_id, i.number, i.action, i.seq
),
{_CONSEQUENCES}
""")


async def insert(
    connection: AsyncConnection, received: Sequence[NewInbound], *, since: datetime, now: datetime
) -> int:
    """
    Store messages with their opt-outs, opt-ins and callbacks; return how many were new.

    If several accounts share a code, the message belongs to the one that last
    sent to the number, if that was after `since`.
    """
    values = {
        "ids": [one.public_id for one in received],
        "providers": [one.provider for one in received],
        "refs": [one.ref for one in received],
        "numbers": [one.number for one in received],
        "recipients": [one.recipient for one in received],
        "texts": [one.text for one in received],
        "actions": [one.action and one.action.value for one in received],
        "sents": [one.sent_at for one in received],
        "parts": [one.parts for one in received],
        "missing": [_array(one.missing_parts) for one in received],
        "since": since,
        "now": now,
    }
    return int(await connection.scalar(_INSERT, {**values, **_codes(received)}) or 0)


async def change(connection: AsyncConnection, changed: Sequence[ChangedInbound], *, now: datetime) -> None:
    """Give stored messages the text that they have with a late part, with all that follows from it."""
    values = {
        "ids": [one.public_id for one in changed],
        "texts": [one.text for one in changed],
        "actions": [one.action and one.action.value for one in changed],
        "missing": [_array(one.missing_parts) for one in changed],
        "now": now,
    }
    await connection.execute(_CHANGE, {**values, **_codes(changed)})


def _codes(messages: Sequence[NewInbound | ChangedInbound]) -> dict[str, object]:
    codes = [(one.public_id, code) for one in messages for code in sorted(one.codes)]
    return {"code_ids": [public_id for public_id, _ in codes], "codes": [code for _, code in codes]}


def _array(numbers: Sequence[int]) -> str:
    """Return the literal of an array: Postgres cannot unnest arrays of arrays of different lengths."""
    return "{" + ",".join(map(str, numbers)) + "}"
