"""Messages from handsets: stored together with their consequences in one statement, and read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.inbound.keywords import KeywordAction
from dispatcher.store.message_lookup import LOOKED_UP
from dispatcher.store.messages.search import NEWEST
from dispatcher.store.messages.views import id_parameters


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


@dataclass(frozen=True, slots=True)
class FoundInbound:
    """
    A stored message from a handset.

    `account` is None if no account owns the code that it was sent to, `text`
    unless it was requested.
    """

    id: int
    public_id: UUID
    account: str | None
    sender: str | None
    provider: str
    ref: str | None
    number: str
    recipient: str
    text: str | None
    action: KeywordAction | None
    sent_at: datetime | None
    received_at: datetime


# The owners of a code are the senders of that name. If several accounts share a code, the message belongs to
# the account that last sent to the number from it. If none did, the message belongs to no account, but its
# keyword (stop, start) applies to all of them. Of several keywords of one number the last one counts.
_INSERT = text(f"""
WITH received AS MATERIALIZED (
    SELECT * FROM unnest(
        CAST(:ids AS uuid[]), CAST(:providers AS text[]), CAST(:refs AS text[]), CAST(:numbers AS text[]),
        CAST(:recipients AS text[]), CAST(:texts AS text[]), CAST(:actions AS text[]),
        CAST(:sents AS timestamptz[])
    ) WITH ORDINALITY AS t(public_id, provider, ref, number, recipient, text, action, sent_at, ord)
),
owners AS MATERIALIZED (
    SELECT c.public_id, s.account_id, s.id AS sender_id,
           min(s.account_id) OVER code <> max(s.account_id) OVER code AS shared
    FROM unnest(CAST(:code_ids AS uuid[]), CAST(:codes AS text[])) AS c(public_id, name)
    JOIN senders s ON s.name = c.name
    WINDOW code AS (PARTITION BY c.public_id)
),
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
                         sent_at, received_at)
    SELECT public_id, t.provider, t.ref, o.account_id, o.sender_id, t.number, t.recipient, t.text, t.action,
           t.sent_at, :now
    FROM received t LEFT JOIN owner o USING (public_id) ORDER BY t.ord
    ON CONFLICT (provider, ref) WHERE ref IS NOT NULL DO NOTHING
    RETURNING id, public_id, account_id, sender_id, number, action
),
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
    SELECT k.account_id, k.id, 1, w.dialect, w.url, w.id, w.event, :now, :now
    FROM kept k JOIN webhooks w ON w.account_id = k.account_id AND w.inbound
)
SELECT count(*) FROM kept
""")

# Callbacks that exist keep their ids and are sent again as if they were new.
_RENEW_CALLBACKS = text("""
INSERT INTO callbacks (account_id, inbound_id, seq, dialect, url, webhook_id, event, created_at, wake_at)
SELECT i.account_id, i.id, 1, w.dialect, w.url, w.id, w.event, :now, :now
FROM inbound i JOIN webhooks w ON w.account_id = i.account_id AND w.dialect = :dialect AND w.inbound
WHERE i.account_id = :account_id AND i.received_at >= :since AND i.received_at < :until
ON CONFLICT (message_id, inbound_id, seq, url, webhook_id) DO UPDATE
SET state = 'waiting', created_at = :now, wake_at = :now, tries = 0, ended_at = NULL
""")

_FOUND = """
SELECT i.id, i.public_id, a.name AS account, s.name AS sender, i.provider, i.ref, i.number, i.recipient,
       CASE WHEN :with_text THEN i.text END AS text, i.action, i.sent_at, i.received_at
FROM picked i LEFT JOIN accounts a ON a.id = i.account_id LEFT JOIN senders s ON s.id = i.sender_id
"""
_PAGE = """
WITH picked AS MATERIALIZED (
    SELECT * FROM inbound WHERE {conditions} ORDER BY id DESC LIMIT :limit
)
{found} ORDER BY i.id DESC
"""
_ONE = text(f"""
WITH picked AS (
    SELECT * FROM inbound WHERE id = CAST(:id AS bigint) OR public_id = CAST(:public_id AS uuid)
)
{_FOUND}
""")
_PERIOD = """account_id = :account_id AND (CAST(:since AS timestamptz) IS NULL OR received_at >= :since)
    AND (CAST(:until AS timestamptz) IS NULL OR received_at < :until)"""
_COUNT = text(f"SELECT count(*) FROM inbound WHERE {_PERIOD}")
_LIST = text(f"""
WITH picked AS MATERIALIZED (
    SELECT * FROM inbound WHERE {_PERIOD} ORDER BY received_at DESC, id DESC OFFSET :skip LIMIT :limit
)
{_FOUND} ORDER BY i.received_at DESC, i.id DESC
""")


async def insert(
    connection: AsyncConnection, received: Sequence[NewInbound], *, since: datetime, now: datetime
) -> int:
    """
    Store messages with their opt-outs, opt-ins and callbacks; return how many were new.

    If several accounts share a code, the message belongs to the one that last
    sent to the number, if that was after `since`.
    """
    codes = [(one.public_id, code) for one in received for code in sorted(one.codes)]
    values = {
        "ids": [one.public_id for one in received],
        "providers": [one.provider for one in received],
        "refs": [one.ref for one in received],
        "numbers": [one.number for one in received],
        "recipients": [one.recipient for one in received],
        "texts": [one.text for one in received],
        "actions": [one.action and one.action.value for one in received],
        "sents": [one.sent_at for one in received],
        "code_ids": [public_id for public_id, _ in codes],
        "codes": [code for _, code in codes],
        "since": since,
        "now": now,
    }
    return int(await connection.scalar(_INSERT, values) or 0)


async def page(
    connection: AsyncConnection,
    *,
    account_id: int | None,
    number: str | None,
    before: int | None,
    limit: int,
    with_text: bool,
) -> list[FoundInbound]:
    """Return messages older than the one with the id `before`, the newest first."""
    values: dict[str, object] = {"before": NEWEST if before is None else before}
    values |= {} if account_id is None else {"account_id": account_id}
    values |= {} if number is None else {"number": number}
    conditions = ["id < :before", *(f"{name} = :{name}" for name in values if name != "before")]
    statement = text(_PAGE.format(conditions=" AND ".join(conditions), found=_FOUND))
    rows = await connection.execute(statement, {**values, "limit": limit, "with_text": with_text})
    return [_inbound(row) for row in rows]


async def find(connection: AsyncConnection, key: int | UUID, *, with_text: bool) -> FoundInbound | None:
    """Return one message, by its id or its public id."""
    row = (await connection.execute(_ONE, {**id_parameters(key), "with_text": with_text})).one_or_none()
    return None if row is None else _inbound(row)


async def page_of_period(
    connection: AsyncConnection,
    account_id: int,
    *,
    since: datetime | None,
    until: datetime | None,
    skip: int,
    limit: int,
) -> list[FoundInbound]:
    """Return an account's messages of a period with their texts, the newest first."""
    values = {"account_id": account_id, "since": since, "until": until, "skip": skip, "limit": limit}
    return [_inbound(row) for row in await connection.execute(_LIST, {**values, "with_text": True})]


async def count_in_period(
    connection: AsyncConnection, account_id: int, *, since: datetime | None, until: datetime | None
) -> int:
    """Return how many messages of a period an account has."""
    values = {"account_id": account_id, "since": since, "until": until}
    return int(await connection.scalar(_COUNT, values) or 0)


async def renew_callbacks(
    connection: AsyncConnection,
    account_id: int,
    dialect: str,
    *,
    since: datetime,
    until: datetime,
    now: datetime,
) -> None:
    """Write the callbacks of a period's messages again, to the webhooks that the account has now."""
    values = {"account_id": account_id, "dialect": dialect, "since": since, "until": until, "now": now}
    await connection.execute(_RENEW_CALLBACKS, values)


def _inbound(row: Row[Any]) -> FoundInbound:
    return FoundInbound(
        **{**row._mapping, "action": None if row.action is None else KeywordAction(row.action)}
    )
