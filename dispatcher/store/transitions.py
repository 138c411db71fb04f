"""
The common form of a transition: one statement picks rows, changes them and appends their events.

Every statement that changes a status ends in `EVENTS`, so that no status
changes without a row that says when and why, and without a callback where a
producer wants one. The `moved_at` of a row never goes back, whatever the
clock of the process that changes it.
"""

from sqlalchemy import text
from sqlalchemy.sql.elements import TextClause

from dispatcher.store.status_literals import PENDING

# The columns that `moved` returns: events and callbacks are made from them.
RETURNED = (
    "m.id, m.seq, m.moved_at, m.status, m.provider, m.attempt, m.reason, m.tier, m.place, m.charged,"
    " m.account_id, m.batch_id, m.calls_back"
)

# Conditions on rows that are named by their ids. They are spelled so that no partial index fits and the rows
# are found by the primary key: with statistics from a moment when a place was empty, the planner would search
# everything that is in that place now.
IN_LANE = f"m.status = {PENDING} AND coalesce(m.place, '') = 'lane'"
WITH_WORKER = "coalesce(m.place, '') = 'worker'"

# Added to each join with `picked`: the planner then finds the rows by their ids, even if its statistics
# of a table that was just loaded are wrong.
PICKED = "m.id = ANY(ARRAY(SELECT id FROM picked))"

# A webhook is called once for a status, when the message first has it; a batch's own URL for each event.
_CALLBACKS = """
    INSERT INTO callbacks (account_id, message_id, seq, dialect, url, webhook_id, event, created_at, wake_at)
    SELECT v.account_id, v.id, v.seq, b.dialect, t.url, t.webhook_id, t.event, v.moved_at, v.moved_at
    FROM moved v JOIN batches b ON b.id = v.batch_id
    CROSS JOIN LATERAL (
        SELECT b.callback_url AS url, NULL AS webhook_id, '' AS event WHERE b.callback_url IS NOT NULL
        UNION ALL
        SELECT w.url, w.id, w.event FROM webhooks w
        WHERE w.account_id = v.account_id AND w.dialect = b.dialect AND v.status = ANY(w.statuses)
          AND w.disabled_at IS NULL
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


def transition(picked: str, change: str, *, only: str = "") -> TextClause:
    """
    Return the statement that changes the rows that `picked` selects.

    `picked` is a SELECT that locks rows and returns their ids and the values
    that `change`, the SET list, uses as p.*. Rows that do not meet the condition
    `only` on m stay as they are. The statement has a parameter `now`.
    """
    condition = f" AND {only}" if only else ""
    return text(f"""
WITH picked AS ({picked}),
moved AS (
    UPDATE messages m
    SET {change}, seq = m.seq + 1, moved_at = greatest(m.moved_at, :now)
    FROM picked p WHERE m.id = p.id{condition}
    RETURNING {RETURNED}
),
{EVENTS}
SELECT id, status, tier, place, charged FROM moved ORDER BY id
""")
