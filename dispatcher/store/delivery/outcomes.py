"""Recording the outcomes of attempts. The fence of a claim is its attempt number."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.delivery.message import Attempt, DecidedAttempt
from dispatcher.domain.delivery.provider import Accepted, PartlyAccepted
from dispatcher.domain.messages.status import Status
from dispatcher.domain.messages.waits import WaitKind
from dispatcher.store.delivery.claims import ChangedMessage
from dispatcher.store.parts_taken import with_taken
from dispatcher.store.status_literals import PENDING, SENT
from dispatcher.store.transitions import EVENTS, RETURNED, WITH_WORKER
from dispatcher.store.waits import NOW, EndedWait, begin, kind_of

_ATTEMPTS = """
SELECT * FROM unnest(
    CAST(:ids AS bigint[]), CAST(:attempts AS integer[]), CAST(:statuses AS smallint[]),
    CAST(:places AS text[]), CAST(:wakes AS timestamptz[]), CAST(:providers AS text[]),
    CAST(:reasons AS text[]), CAST(:deferred AS smallint[]), CAST(:doubtful AS smallint[]),
    CAST(:taken AS bit varying[])
) AS t(id, attempt, status, place, wake_at, provider, reason, deferred, doubtful, taken)
"""

_TO_RETRY = begin(
    f"CASE WHEN t.place IS NOT NULL THEN {kind_of(WaitKind.RETRY)} END",
    detail="CASE WHEN t.place IS NOT NULL THEN CAST(t.attempt AS text) END",
    since=f"CASE WHEN t.place IS NOT NULL THEN {NOW} END",
)
# The parts are those of `provider`: those of a late outcome that came during a failover are not added.
_RECORD = text(f"""
WITH attempts AS MATERIALIZED (
    SELECT t.* FROM ({_ATTEMPTS}) t JOIN messages m ON m.id = t.id ORDER BY m.id FOR UPDATE OF m
),
moved AS (
    UPDATE messages m
    SET status = t.status, place = t.place, wake_at = t.wake_at, closes_at = NULL, provider = t.provider,
        reason = t.reason, deferrals = m.deferrals + t.deferred, doubts = m.doubts + t.doubtful,
        parts_taken = CASE WHEN t.status = {SENT} OR m.provider <> t.provider THEN t.taken
                           ELSE {with_taken("t.taken")} END,
        seq = m.seq + 1, moved_at = greatest(m.moved_at, :now), {_TO_RETRY}
    FROM attempts t
    WHERE m.id = t.id AND m.attempt = t.attempt AND {WITH_WORKER}
    RETURNING {RETURNED}
),
{EVENTS},
references_written AS (
    INSERT INTO provider_references (provider, ref, message_id, attempt, part, wake_at, at)
    SELECT *, :now FROM unnest(
        CAST(:ref_providers AS text[]), CAST(:refs AS text[]), CAST(:ref_ids AS bigint[]),
        CAST(:ref_attempts AS smallint[]), CAST(:ref_parts AS smallint[]), CAST(:ref_wakes AS timestamptz[])
    )
    ON CONFLICT DO NOTHING
)
SELECT id, status, charged FROM moved
""")

_ENDED_IF_MOVED = begin(
    "CASE WHEN NOT l.moves THEN m.wait_kind END",
    detail="CASE WHEN NOT l.moves THEN m.waits_for END",
    since="CASE WHEN NOT l.moves THEN m.wait_since END",
    ended=[EndedWait(until=f"CASE WHEN l.moves THEN {NOW} END")],
)
# An outcome whose claim is over always becomes an event. It changes the status only if the provider accepted
# the message and no worker holds it. Parts that the provider took are not sent again. The same outcome
# written twice, because the answer to the first commit was lost, becomes one event.
_RECORD_LATE = text(f"""
WITH attempts AS ({_ATTEMPTS}),
locked AS (
    SELECT m.id, (t.status = {SENT} AND m.status = {PENDING} AND m.place <> 'worker') AS moves
    FROM messages m JOIN attempts t USING (id)
    WHERE NOT EXISTS (
        SELECT 1 FROM message_events e
        WHERE e.message_id = t.id AND e.attempt = t.attempt AND e.status = t.status
          AND (e.reason = t.reason OR e.reason = 'late outcome: ' || t.reason)
    )
    ORDER BY m.id FOR UPDATE OF m
),
moved AS (
    UPDATE messages m
    SET status = CASE WHEN l.moves THEN {SENT} ELSE m.status END,
        place = CASE WHEN l.moves THEN NULL ELSE m.place END,
        wake_at = CASE WHEN l.moves THEN t.wake_at ELSE m.wake_at END,
        provider = CASE WHEN l.moves THEN t.provider ELSE m.provider END,
        reason = CASE WHEN l.moves THEN 'late outcome: ' || t.reason ELSE m.reason END,
        parts_taken = CASE WHEN l.moves THEN t.taken
                           WHEN m.status = {PENDING} AND m.provider = t.provider
                           THEN {with_taken("t.taken")}
                           ELSE m.parts_taken END,
        seq = m.seq + 1, moved_at = greatest(m.moved_at, :now),
        {_ENDED_IF_MOVED}
    FROM attempts t JOIN locked l USING (id)
    WHERE m.id = t.id
    RETURNING m.id, m.seq, m.moved_at, m.status, t.provider, t.attempt,
              'late outcome: ' || t.reason AS reason, m.account_id, m.batch_id, m.calls_back
),
{EVENTS}
SELECT id FROM moved
""")


async def record(
    connection: AsyncConnection,
    decided: Sequence[DecidedAttempt],
    *,
    now: datetime,
    polls: Mapping[str, timedelta],
) -> list[ChangedMessage]:
    """
    Write the outcomes of these attempts and the providers' references; return the messages that changed.

    `polls` has the providers that are polled for receipts, and how soon. An
    attempt whose claim is over (rescued, or a receipt came first) becomes an
    event, and changes the status only as `_RECORD_LATE` does.
    """
    first_polls: dict[str | None, datetime] = {provider: now + first for provider, first in polls.items()}
    parameters = {**_parameters(decided, now), **_references([one.attempt for one in decided], first_polls)}
    rows = (await connection.execute(_RECORD, parameters)).all()
    moved = {row.id for row in rows}
    late = [one for one in decided if one.attempt.message_id not in moved]
    if late:
        await connection.execute(_RECORD_LATE, _parameters(late, now))
    return [ChangedMessage(row.id, Status(row.status), row.charged) for row in rows]


def _references(attempts: Sequence[Attempt], first_polls: Mapping[str | None, datetime]) -> dict[str, object]:
    refs = [(t, ref, part) for t in attempts for part, ref in _refs(t) if ref]
    return {
        "refs": [ref for _, ref, _ in refs],
        "ref_parts": [part for _, _, part in refs],
        "ref_ids": [t.message_id for t, _, _ in refs],
        "ref_providers": [t.provider for t, _, _ in refs],
        "ref_attempts": [t.attempt for t, _, _ in refs],
        "ref_wakes": [first_polls.get(t.provider) for t, _, _ in refs],
    }


def _refs(attempt: Attempt) -> Iterable[tuple[int, str]]:
    """Return the provider's references that are new, each with the number of its part."""
    match attempt.outcome:
        case Accepted(refs=refs) if attempt.parts_taken is not None:
            return zip(attempt.parts_taken.left, refs, strict=False)
        case Accepted(refs=refs):
            return enumerate(refs, 1)
        case PartlyAccepted(taken=taken):
            return taken.items()
    return ()


def _parameters(decided: Sequence[DecidedAttempt], now: datetime) -> dict[str, object]:
    return {
        "ids": [t.message_id for t, _ in decided],
        "attempts": [t.attempt for t, _ in decided],
        "statuses": [int(v.status) for _, v in decided],
        "places": [v.place and v.place.value for _, v in decided],
        "wakes": [v.wake_at for _, v in decided],
        "providers": [t.provider for t, _ in decided],
        "reasons": [v.reason for _, v in decided],
        "deferred": [int(v.deferred) for _, v in decided],
        "doubtful": [int(v.doubtful) for _, v in decided],
        "taken": [t.parts_out and t.parts_out.bits for t, _ in decided],
        "now": now,
    }
