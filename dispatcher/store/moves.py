"""
The one shape of a move: pick rows, change them, append their events, in one statement.

Every statement that changes a status ends in `EVENTS`, so that no status
changes without a row that says when and why, and without a callback where a
producer wants one. A row's `moved_at` never goes
back, whatever clock the mover had.
"""

from sqlalchemy import text
from sqlalchemy.sql.elements import TextClause

from dispatcher.store.status_literals import PENDING

# What `moved` returns for its events, and for the callbacks that tell of them.
RETURNED = (
    "m.id, m.seq, m.moved_at, m.status, m.provider, m.attempt, m.reason, m.tier, m.place, m.charged,"
    " m.account_id, m.batch_id, m.calls_back"
)

# Rows that are named by their ids are found by their ids. Spelled like this no partial index fits: with
# statistics of a moment when a place was empty, the planner would search all that is in it now instead.
IN_LANE = f"m.status = {PENDING} AND coalesce(m.place, '') = 'lane'"
WITH_WORKER = "coalesce(m.place, '') = 'worker'"

# Beside each join: whatever the planner believes of a table just loaded, it finds the rows by their ids.
PICKED = "m.id = ANY(ARRAY(SELECT id FROM picked))"

# A webhook is told of a status once, when the message first has it; a batch's own URL of each event.
_CALLBACKS = """
    INSERT INTO callbacks (account_id, message_id, seq, dialect, url, webhook_id, event, created_at, wake_at)
    SELECT v.account_id, v.id, v.seq, b.dialect, t.url, t.webhook_id, t.event, v.moved_at, v.moved_at
    FROM moved v JOIN batches b ON b.id = v.batch_id
    CROSS JOIN LATERAL (
        SELECT b.callback_url AS url, NULL AS webhook_id, '' AS event WHERE b.callback_url IS NOT NULL
        UNION ALL
        SELECT w.url, w.id, w.event FROM webhooks w
        WHERE w.account_id = v.account_id AND w.dialect = b.dialect AND v.status = ANY(w.statuses)
          AND NOT EXISTS (
              SELECT 1 FROM message_events e WHERE e.message_id = v.id AND e.status = v.status
          )
    ) t
    WHERE v.calls_back OR v.account_id IN (SELECT account_id FROM webhooks)
"""

EVENTS = f"""
events AS (
    INSERT INTO message_events (message_id, seq, at, status, provider, attempt, reason)
    SELECT id, seq, moved_at, status, provider, attempt, reason FROM moved
),
calling AS ({_CALLBACKS})
"""


def move(picked: str, change: str, *, only: str = "") -> TextClause:
    """
    Build the statement that moves the rows `picked` selects.

    `picked` is a SELECT of ids (with whatever `change` needs, as p.*) that
    locks them; `change` is the SET list. Parameter `now` is always there.
    A picked row that is not as `only` says, a condition on m, stays as it is.
    """
    is_meant = f" AND {only}" if only else ""
    return text(f"""
WITH picked AS ({picked}),
moved AS (
    UPDATE messages m
    SET {change}, seq = m.seq + 1, moved_at = greatest(m.moved_at, :now)
    FROM picked p WHERE m.id = p.id{is_meant}
    RETURNING {RETURNED}
),
{EVENTS}
SELECT id, status, tier, place, charged FROM moved ORDER BY id
""")
