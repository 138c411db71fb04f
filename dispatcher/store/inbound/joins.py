"""Parts of inbound messages, which wait in Postgres until the others have come, or the time is over."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.inbound.joining import PartJoin, PartKey, ReceivedPart

_MOST_JOINS = 50  # of one key: those that may have a part already, or lack it
_KEYS = """
    unnest(CAST(:providers AS text[]), CAST(:numbers AS text[]), CAST(:recipients AS text[]),
           CAST(:references AS text[]), CAST(:totals AS smallint[]))
"""

# Two processes that get two parts of a message at once must not begin two messages. The locks are taken in
# one order, and before the rows are read.
_LOCK = text(f"""
SELECT pg_advisory_xact_lock(name) FROM (
    SELECT DISTINCT hashtextextended(
        concat_ws('|', provider, number, recipient, reference, total), 4773006
    ) AS name
    FROM {_KEYS} AS t(provider, number, recipient, reference, total)
    ORDER BY name
) AS names
""")

_FIND = text(f"""
WITH found AS MATERIALIZED (
    SELECT t.n, j.* FROM {_KEYS} WITH ORDINALITY AS t(provider, number, recipient, reference, total, n)
    CROSS JOIN LATERAL (
        SELECT id, started_at, inbound_id FROM inbound_joins
        WHERE provider = t.provider AND number = t.number AND recipient = t.recipient
          AND reference = t.reference AND total = t.total AND started_at > :since
        ORDER BY id DESC LIMIT :most FOR UPDATE
    ) AS j
)
SELECT f.n, f.id, f.started_at, i.public_id, p.part, p.octets, p.alphabet, p.ref, p.sent_at
FROM found f JOIN inbound_parts p ON p.join_id = f.id
LEFT JOIN LATERAL (SELECT public_id FROM inbound WHERE id = f.inbound_id OFFSET 0) i ON true
ORDER BY f.id
""")

_NEW_IDS = text("""
SELECT nextval(pg_get_serial_sequence('inbound_joins', 'id')) FROM generate_series(1, :count)
""")

_BEGIN = text("""
INSERT INTO inbound_joins (id, provider, number, recipient, reference, total, started_at, wake_at)
OVERRIDING SYSTEM VALUE
SELECT * FROM unnest(
    CAST(:ids AS bigint[]), CAST(:providers AS text[]), CAST(:numbers AS text[]),
    CAST(:recipients AS text[]), CAST(:references AS text[]), CAST(:totals AS smallint[]),
    CAST(:starts AS timestamptz[]), CAST(:wakes AS timestamptz[])
)
""")

_ADD = text("""
INSERT INTO inbound_parts (join_id, part, octets, alphabet, ref, sent_at, received_at)
SELECT *, :now FROM unnest(
    CAST(:ids AS bigint[]), CAST(:parts AS smallint[]), CAST(:octets AS bytea[]),
    CAST(:alphabets AS text[]), CAST(:refs AS text[]), CAST(:sents AS timestamptz[])
)
""")

_DUE = text("""
WITH picked AS MATERIALIZED (
    SELECT * FROM inbound_joins WHERE wake_at IS NOT NULL AND wake_at <= :now
    ORDER BY wake_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
SELECT j.id, j.provider, j.number, j.recipient, j.reference, j.total, j.started_at,
       CAST(NULL AS uuid) AS public_id, p.part, p.octets, p.alphabet, p.ref, p.sent_at
FROM picked j JOIN inbound_parts p ON p.join_id = j.id ORDER BY j.id
""")

_END = text("""
UPDATE inbound_joins j SET wake_at = NULL, inbound_id = i.id
FROM unnest(CAST(:ids AS bigint[]), CAST(:public_ids AS uuid[])) AS t(id, public_id)
JOIN inbound i USING (public_id)
WHERE j.id = t.id AND j.id = ANY(CAST(:ids AS bigint[]))
""")

_DELETE_OLD = text("""
DELETE FROM inbound_joins WHERE id IN (
    SELECT id FROM inbound_joins WHERE started_at < :until AND wake_at IS NULL
    ORDER BY started_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
RETURNING id
""")


async def lock(
    connection: AsyncConnection, keys: Sequence[PartKey], *, since: datetime
) -> dict[PartKey, list[PartJoin]]:
    """
    Lock the messages of these keys that began after `since`; return them, the oldest first.

    Until the transaction ends nobody else begins a message of these keys.
    """
    await connection.execute(_LOCK, _key_values(keys))
    found: dict[PartKey, dict[int, PartJoin]] = {key: {} for key in keys}
    rows = await connection.execute(_FIND, {**_key_values(keys), "since": since, "most": _MOST_JOINS})
    for row in rows:
        _add_row(found[keys[row.n - 1]], keys[row.n - 1], row)
    return {key: list(joins.values()) for key, joins in found.items()}


async def begin(connection: AsyncConnection, joins: Sequence[tuple[PartJoin, datetime]]) -> None:
    """Store messages that begin, each with the time until which its parts wait; give them their ids."""
    begun = [join for join, _ in joins]
    ids = (await connection.scalars(_NEW_IDS, {"count": len(joins)})).all()
    for join, join_id in zip(begun, ids, strict=True):
        join.id = join_id
    values = {
        "ids": list(ids),
        "starts": [join.started_at for join in begun],
        "wakes": [wake_at for _, wake_at in joins],
    }
    await connection.execute(_BEGIN, {**values, **_key_values([join.key for join in begun])})


async def add(
    connection: AsyncConnection, parts: Sequence[tuple[PartJoin, ReceivedPart]], *, now: datetime
) -> None:
    """Store parts of messages."""
    await connection.execute(
        _ADD,
        {
            "ids": [join.id for join, _ in parts],
            "parts": [part.number for _, part in parts],
            "octets": [part.octets for _, part in parts],
            "alphabets": [part.alphabet for _, part in parts],
            "refs": [part.ref for _, part in parts],
            "sents": [part.sent_at for _, part in parts],
            "now": now,
        },
    )


async def lock_due(connection: AsyncConnection, *, now: datetime, limit: int) -> list[PartJoin]:
    """Lock and return messages whose parts have waited long enough; locked ones are skipped."""
    found: dict[int, PartJoin] = {}
    for row in await connection.execute(_DUE, {"now": now, "limit": limit}):
        _add_row(found, PartKey(row.provider, row.number, row.recipient, row.reference, row.total), row)
    return list(found.values())


async def end(connection: AsyncConnection, joins: Sequence[PartJoin]) -> None:
    """Write which messages were made of these parts; the parts wait no longer."""
    values = {"ids": [join.id for join in joins], "public_ids": [join.stored_as for join in joins]}
    await connection.execute(_END, values)


async def delete_old(connection: AsyncConnection, *, until: datetime, limit: int) -> int:
    """Delete the parts of messages that began before `until` and are stored; return how many messages."""
    return len((await connection.execute(_DELETE_OLD, {"until": until, "limit": limit})).all())


def _add_row(found: dict[int, PartJoin], key: PartKey, row: Row[Any]) -> None:
    join = found.setdefault(row.id, PartJoin(row.id, key, row.started_at, row.public_id))
    join.parts[row.part] = ReceivedPart(row.part, bytes(row.octets), row.alphabet, row.ref, row.sent_at)


def _key_values(keys: Sequence[PartKey]) -> dict[str, object]:
    return {
        "providers": [key.provider for key in keys],
        "numbers": [key.number for key in keys],
        "recipients": [key.recipient for key in keys],
        "references": [key.reference for key in keys],
        "totals": [key.total for key in keys],
    }
