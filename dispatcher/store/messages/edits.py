"""
Edits: find the selected messages, lock those that still wait, and change them.

Every change adds 1 to `seq`, which a claim compares with the value that its
worker read, so that no message is sent with a text or a window that has been
changed. A message that is changed in its lane goes back to `ready`, from
where it is moved to the lane again at once.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.messages.edit import ALWAYS, TimeRange, late_kind
from dispatcher.domain.messages.edit_rules import TextChanged, WaitingMessage, WindowChanged
from dispatcher.domain.messages.status import OPEN, Place, Status
from dispatcher.domain.messages.waits import WaitKind
from dispatcher.domain.messages.window import Window
from dispatcher.domain.tier import Tier
from dispatcher.store.parts_taken import MAY_BE_OUT
from dispatcher.store.status_literals import WITHDRAWN, code_list
from dispatcher.store.transitions import transition
from dispatcher.store.waits import NONE, NOW, EndedWait, begin, kind_of


@dataclass(frozen=True, slots=True)
class EditSelection:
    """A selection by ids; None sets no condition. `only_open` excludes sent and ended messages."""

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


# Each half matches a partial index, so that an account's backlog is found without reading the table.
_OPEN = "(m.place IN ('held', 'ready', 'lane') OR m.place = 'worker')"

_CHANGEABLE = f"m.status IN ({code_list(OPEN)}) AND m.place <> 'worker'"

_CAMPAIGN_RUNS = """
batch_id IN (
    SELECT b.id FROM batches b JOIN runs u ON u.id = b.run_id
    WHERE u.campaign_id = :campaign_id AND u.finished_at IS NULL
)
"""

# OFFSET 0: messages are found by the lookup table and in order, however few of them the planner expects.
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
WHERE account_id = :account_id AND :key IN (name, CAST(id AS text), CAST(public_id AS text))
ORDER BY name = :key DESC LIMIT 1
""")

_BY_STATUS = text("""
SELECT status, count(*) AS n FROM messages WHERE id = ANY(CAST(:ids AS bigint[])) GROUP BY status
""")
# A message of a campaign may have waited because the campaign was paused, which its row does not say.
_OF_NO_CAMPAIGN = EndedWait("CASE WHEN m.flow = 0 THEN m.wait_kind END")

_CANCEL = transition(
    "SELECT * FROM unnest(CAST(:ids AS bigint[])) AS p(id)",
    f"status = {WITHDRAWN}, place = NULL, wake_at = NULL, reason = :reason,"
    f" {begin(NONE, since=NONE, ended=[_OF_NO_CAMPAIGN])}",
    only=_CHANGEABLE,
)

# Its own new time is no wait; a message whose end alone was changed goes on waiting for the same.
_STAYS = "(p.place = 'held' AND m.place = 'held' AND p.not_before <= m.not_before)"
_RESCHEDULED = begin(
    f"CASE WHEN {_STAYS} THEN m.wait_kind WHEN p.place = 'ready' THEN {kind_of(WaitKind.ROOM)} END",
    detail=f"CASE WHEN {_STAYS} THEN m.waits_for END",
    since=f"CASE WHEN {_STAYS} THEN m.wait_since ELSE greatest({NOW}, p.not_before) END",
    ended=[EndedWait(until=f"CASE WHEN NOT {_STAYS} THEN {NOW} END")],
)

# Allowed hours are checked again when the new time comes.
_RESCHEDULE = transition(
    """
    SELECT * FROM unnest(
        CAST(:ids AS bigint[]), CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]),
        CAST(:places AS text[]), CAST(:wakes AS timestamptz[]), CAST(:reasons AS text[])
    ) AS p(id, not_before, not_after, place, wake_at, reason)
    """,
    "not_before = p.not_before, not_after = p.not_after, closes_at = NULL, place = p.place,"
    f" wake_at = p.wake_at, reason = p.reason, {_RESCHEDULED}",
    only=_CHANGEABLE,
)

_OUT_OF_LANE = begin(
    f"CASE WHEN m.place = 'lane' THEN {kind_of(WaitKind.ROOM)} ELSE m.wait_kind END",
    detail="CASE WHEN m.place <> 'lane' THEN m.waits_for END",
    since=f"CASE WHEN m.place = 'lane' THEN {NOW} ELSE m.wait_since END",
    ended=[EndedWait(until=f"CASE WHEN m.place = 'lane' THEN {NOW} END")],
)

_CHANGE_TEXT = transition(
    """
    SELECT * FROM unnest(
        CAST(:ids AS bigint[]), CAST(:texts AS text[]), CAST(:segments AS smallint[]),
        CAST(:charged AS integer[])
    ) AS p(id, text, segments, charged)
    """,
    "text = p.text, segments = p.segments, charged = p.charged, reason = 'its text was changed',"
    " place = CASE WHEN m.place = 'lane' THEN 'ready' ELSE m.place END,"
    f" wake_at = CASE WHEN m.place = 'lane' THEN NULL ELSE m.wake_at END, {_OUT_OF_LANE}",
    only=_CHANGEABLE,
)


async def find_campaign(connection: AsyncConnection, account_id: int, key: str) -> int | None:
    """Return the id of an account's campaign, by its name, else by its id or public id."""
    found = await connection.scalar(_CAMPAIGN, {"account_id": account_id, "key": key})
    return found if isinstance(found, int) else None


async def select_ids(
    connection: AsyncConnection, selection: EditSelection, *, after: int, limit: int
) -> list[int]:
    """Return the ids of the selected messages, in order, after the id `after`."""
    found_by, names = _joined(_lookup_conditions(selection))
    conditions, values = _joined(_constant_conditions(selection) + _variable_conditions(selection))
    if selection.only_open:
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
    selection: EditSelection,
    ids: Sequence[int],
    *,
    lock: bool,
    with_variables: bool,
) -> list[WaitingMessage]:
    """
    Return those of the messages in `ids` that still match and that no worker holds, in order.

    With `lock` they are locked until the transaction ends.
    """
    # Only the conditions that can have changed are checked again. No index but the primary key matches them,
    # whatever statistics the planner has of a table that was just loaded.
    conditions, values = _joined(
        [("m.id = ANY(CAST(:ids AS bigint[]))", "ids", list(ids)), *_variable_conditions(selection)]
    )
    statement = f"""
SELECT m.id, m.batch_id, m.status, m.place, m.wake_at, m.not_before, m.not_after, m.text, m.segments,
       m.charged, m.country, {MAY_BE_OUT} AS may_be_out,
       {_VARIABLES if with_variables else "NULL"} AS variables
FROM messages m
WHERE {conditions} AND {_CHANGEABLE}
ORDER BY m.id {"FOR UPDATE OF m" if lock else ""}
"""
    return [_waiting(row) for row in await connection.execute(text(statement), values)]


async def count_late(connection: AsyncConnection, ids: Sequence[int]) -> Counter[str]:
    """Return how many of these messages, which are not waiting, there are of each kind."""
    kinds = Counter[str]()
    for row in await connection.execute(_BY_STATUS, {"ids": list(ids)}):
        kinds[late_kind(Status(row.status))] += row.n
    return kinds


async def cancel(connection: AsyncConnection, locked: Sequence[int], *, reason: str, now: datetime) -> None:
    """Withdraw locked messages, with a reason."""
    await connection.execute(_CANCEL, {"ids": list(locked), "reason": reason, "now": now})


async def reschedule(connection: AsyncConnection, changed: Sequence[WindowChanged], *, now: datetime) -> None:
    """Write the new windows of locked messages."""
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
    """Write the new texts of locked messages."""
    values = {
        "ids": [c.id for c in changed],
        "texts": [c.text for c in changed],
        "segments": [c.segments for c in changed],
        "charged": [c.charged for c in changed],
        "now": now,
    }
    await connection.execute(_CHANGE_TEXT, values)


_Condition = tuple[str, str, object]
"""SQL, the parameter in it, and its value; None sets no condition."""


def _lookup_conditions(selection: EditSelection) -> list[_Condition]:
    """Return the conditions that the lookup table can answer."""
    return [
        ("batch_id = :batch_id", "batch_id", selection.batch_id),
        (_CAMPAIGN_RUNS, "campaign_id", selection.campaign_id),
        ("number = :number", "number", selection.number),
    ]


def _constant_conditions(selection: EditSelection) -> list[_Condition]:
    """Return the other conditions on values that never change."""
    return [
        ("m.account_id = :account_id", "account_id", selection.account_id),
        ("m.id = :message_id", "message_id", selection.message_id),
        ("m.tier = :tier", "tier", selection.tier and selection.tier.value),
        ("m.sender_id = :sender_id", "sender_id", selection.sender_id),
        ("m.created_at >= :created_from", "created_from", selection.created.start),
        ("m.created_at < :created_to", "created_to", selection.created.end),
    ]


def _variable_conditions(selection: EditSelection) -> list[_Condition]:
    """Return the conditions on values that can change."""
    statuses = None if selection.statuses is None else sorted(map(int, selection.statuses))
    return [
        ("m.status = ANY(:statuses)", "statuses", statuses),
        ("m.not_before >= :due_from", "due_from", selection.due.start),
        ("m.not_before < :due_to", "due_to", selection.due.end),
    ]


def _joined(conditions: Sequence[_Condition]) -> tuple[str, dict[str, object]]:
    used = [condition for condition in conditions if condition[2] is not None]
    return " AND ".join(sql for sql, _, _ in used), {name: value for _, name, value in used}


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
        may_be_out=row.may_be_out,
        variables=row.variables,
    )
