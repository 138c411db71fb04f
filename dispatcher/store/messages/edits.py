"""
The statements of edits: find what is meant, lock what still waits, change it.

Every change adds 1 to `seq`, which a claim compares with what its worker
read: nobody sends a text or a window that was changed meanwhile. What is
changed in its lane goes back to `ready`, to be filled in again at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.messages.edit import ALWAYS, TimeRange
from dispatcher.domain.messages.edit_rules import TextChanged, WaitingMessage, WindowChanged
from dispatcher.domain.messages.status import OPEN, Place, Status
from dispatcher.domain.messages.window import Window
from dispatcher.domain.tier import Tier
from dispatcher.store.status_literals import WITHDRAWN, code_list
from dispatcher.store.transitions import transition


@dataclass(frozen=True, slots=True)
class EditSelection:
    """A selection by its numbers; None asks nothing. `only_open` leaves out what is sent or has ended."""

    account_id: int
    only_open: bool
    message_id: int | None = None
    batch_id: int | None = None
    campaign_id: int | None = None
    tier: Tier | None = None
    statuses: frozenset[Status] | None = None
    number: str | None = None
    sender_id: int | None = None
    due: TimeRange = ALWAYS
    created: TimeRange = ALWAYS


# Written so that each half fits a partial index: an account's backlog is found without reading the table.
_OPEN = "(m.place IN ('held', 'ready', 'lane') OR m.place = 'worker')"

_CHANGEABLE = f"m.status IN ({code_list(OPEN)}) AND m.place <> 'worker'"

_CAMPAIGN_RUNS = """
batch_id IN (
    SELECT b.id FROM batches b JOIN runs u ON u.id = b.run_id
    WHERE u.campaign_id = :campaign_id AND u.finished_at IS NULL
)
"""

# OFFSET 0: however few the planner believes that there are, they are found by this, and in order.
_LOOKED_UP = """
(SELECT message_id FROM message_lookup WHERE {found_by} AND message_id > :after
 ORDER BY message_id OFFSET 0) k
CROSS JOIN LATERAL (SELECT * FROM messages WHERE id = k.message_id OFFSET 0) m
"""

_VARIABLES = """
CASE WHEN m.flow <> 0 THEN (
    SELECT r.variables FROM runs u
    JOIN campaigns c ON c.id = u.campaign_id
    JOIN recipients r ON r.audience_id = c.audience_id AND r.number = m.number
    WHERE u.id = m.flow
) END
"""

_CAMPAIGN = text("""
SELECT id FROM campaigns
WHERE account_id = :account_id AND :named IN (name, CAST(id AS text), CAST(public_id AS text))
ORDER BY name = :named DESC LIMIT 1
""")

_CANCEL = transition(
    "SELECT * FROM unnest(CAST(:ids AS bigint[])) AS p(id)",
    f"status = {WITHDRAWN}, place = NULL, wake_at = NULL, reason = :reason",
    only=_CHANGEABLE,
)

# Allowed hours are looked at again when its new time comes.
_RESCHEDULE = transition(
    """
    SELECT * FROM unnest(
        CAST(:ids AS bigint[]), CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]),
        CAST(:places AS text[]), CAST(:wakes AS timestamptz[]), CAST(:reasons AS text[])
    ) AS p(id, not_before, not_after, place, wake_at, reason)
    """,
    "not_before = p.not_before, not_after = p.not_after, closes_at = NULL, place = p.place,"
    " wake_at = p.wake_at, reason = p.reason",
    only=_CHANGEABLE,
)

_REWORD = transition(
    """
    SELECT * FROM unnest(
        CAST(:ids AS bigint[]), CAST(:texts AS text[]), CAST(:segments AS smallint[]),
        CAST(:charged AS integer[])
    ) AS p(id, text, segments, charged)
    """,
    "text = p.text, segments = p.segments, charged = p.charged, reason = 'its text was changed',"
    " place = CASE WHEN m.place = 'lane' THEN 'ready' ELSE m.place END,"
    " wake_at = CASE WHEN m.place = 'lane' THEN NULL ELSE m.wake_at END",
    only=_CHANGEABLE,
)


async def find_campaign(connection: AsyncConnection, account_id: int, named: str) -> int | None:
    """Find a campaign of an account by its name, else by its number or public id."""
    found = await connection.scalar(_CAMPAIGN, {"account_id": account_id, "named": named})
    return found if isinstance(found, int) else None


async def select_ids(
    connection: AsyncConnection, chosen: EditSelection, *, after: int, limit: int
) -> list[int]:
    """Read the numbers of what is chosen, in order, after the message with the id `after`."""
    found_by, names = _written(_found_by(chosen))
    conditions, values = _written(_lasting(chosen) + _passing(chosen))
    if chosen.only_open:
        conditions = f"{conditions} AND {_OPEN}"
    source, order = "messages m", "m.id"
    if found_by:
        source, order = _LOOKED_UP.format(found_by=found_by), "k.message_id"
    statement = (
        f"SELECT m.id FROM {source} WHERE {conditions} AND m.id > :after ORDER BY {order} LIMIT :limit"
    )
    rows = await connection.execute(text(statement), {**values, **names, "after": after, "limit": limit})
    return [row.id for row in rows]


async def read_waiting(
    connection: AsyncConnection,
    chosen: EditSelection,
    among: Sequence[int],
    *,
    lock: bool,
    with_variables: bool,
) -> list[WaitingMessage]:
    """
    Read those of `among`, which were chosen, that still are and that no worker holds, in order.

    With `lock` it waits for whoever moves one of them just now, and none of
    what it gives moves until the transaction ends.
    """
    # Only what can have changed is asked again. No index but the primary key fits that, whatever the
    # planner believes of a table just loaded.
    conditions, values = _written(
        [("m.id = ANY(CAST(:among AS bigint[]))", "among", list(among)), *_passing(chosen)]
    )
    statement = f"""
SELECT m.id, m.batch_id, m.status, m.place, m.wake_at, m.not_before, m.not_after, m.text, m.segments,
       m.charged, m.country, m.doubts, {_VARIABLES if with_variables else "NULL"} AS variables
FROM messages m
WHERE {conditions} AND {_CHANGEABLE}
ORDER BY m.id {"FOR UPDATE OF m" if lock else ""}
"""
    return [_waiting(row) for row in await connection.execute(text(statement), values)]


async def cancel(connection: AsyncConnection, locked: Sequence[int], *, reason: str, now: datetime) -> None:
    """Take locked messages back, and say why."""
    await connection.execute(_CANCEL, {"ids": list(locked), "reason": reason, "now": now})


async def reschedule(connection: AsyncConnection, changed: Sequence[WindowChanged], *, now: datetime) -> None:
    """Give locked messages their new windows."""
    values = {
        "ids": [c.id for c in changed],
        "starts": [c.window.not_before for c in changed],
        "ends": [c.window.not_after for c in changed],
        "places": [c.place.value for c in changed],
        "wakes": [c.wake_at for c in changed],
        "reasons": [c.reason for c in changed],
        "now": now,
    }
    await connection.execute(_RESCHEDULE, values)


async def change_text(connection: AsyncConnection, changed: Sequence[TextChanged], *, now: datetime) -> None:
    """Give locked messages their new texts."""
    values = {
        "ids": [c.id for c in changed],
        "texts": [c.text for c in changed],
        "segments": [c.segments for c in changed],
        "charged": [c.charged for c in changed],
        "now": now,
    }
    await connection.execute(_REWORD, values)


_Condition = tuple[str, str, object]
"""SQL, the parameter in it, and its value; None asks nothing."""


def _found_by(chosen: EditSelection) -> list[_Condition]:
    """Ask for what a message is looked up by."""
    return [
        ("batch_id = :batch_id", "batch_id", chosen.batch_id),
        (_CAMPAIGN_RUNS, "campaign_id", chosen.campaign_id),
        ("number = :number", "number", chosen.number),
    ]


def _lasting(chosen: EditSelection) -> list[_Condition]:
    """Ask for what else never changes of a message."""
    return [
        ("m.account_id = :account_id", "account_id", chosen.account_id),
        ("m.id = :message_id", "message_id", chosen.message_id),
        ("m.tier = :tier", "tier", chosen.tier and chosen.tier.value),
        ("m.sender_id = :sender_id", "sender_id", chosen.sender_id),
        ("m.created_at >= :created_from", "created_from", chosen.created.start),
        ("m.created_at < :created_to", "created_to", chosen.created.end),
    ]


def _passing(chosen: EditSelection) -> list[_Condition]:
    """Ask for what may be otherwise a moment later."""
    statuses = None if chosen.statuses is None else sorted(map(int, chosen.statuses))
    return [
        ("m.status = ANY(:statuses)", "statuses", statuses),
        ("m.not_before >= :due_from", "due_from", chosen.due.start),
        ("m.not_before < :due_to", "due_to", chosen.due.end),
    ]


def _written(asked: Sequence[_Condition]) -> tuple[str, dict[str, object]]:
    given = [condition for condition in asked if condition[2] is not None]
    return " AND ".join(sql for sql, _, _ in given), {name: value for _, name, value in given}


def _waiting(row: Row[Any]) -> WaitingMessage:
    return WaitingMessage(
        id=row.id,
        batch_id=row.batch_id,
        status=Status(row.status),
        place=Place(row.place),
        wake_at=row.wake_at,
        window=Window(row.not_before, row.not_after),
        text=row.text,
        segments=row.segments,
        charged=row.charged,
        country=row.country,
        doubts=row.doubts,
        variables=row.variables,
    )
