"""
The one shape of a move: pick rows, change them, append their events, in one statement.

Every statement that changes a status ends in `EVENTS`, so that no status
changes without a row that says when and why. A row's `moved_at` never goes
back, whatever clock the mover had.
"""

from sqlalchemy import text
from sqlalchemy.sql.elements import TextClause

# What `moved` returns for its events; `was` is the status before the move.
RETURNED = "m.id, m.seq, m.moved_at, m.status, m.provider, m.attempt, m.reason, m.tier, m.place, m.charged"

# Beside each join: whatever the planner believes of a table just loaded, it finds the rows by their ids.
PICKED = "m.id = ANY(ARRAY(SELECT id FROM picked))"

EVENTS = """
events AS (
    INSERT INTO message_events (message_id, seq, at, status, provider, attempt, reason)
    SELECT id, seq, moved_at, status, provider, attempt, reason FROM moved
)
"""


def move(picked: str, change: str) -> TextClause:
    """
    Build the statement that moves the rows `picked` selects.

    `picked` is a SELECT of ids (with whatever `change` needs, as p.*) that
    locks them; `change` is the SET list. Parameter `now` is always there.
    """
    return text(f"""
WITH picked AS ({picked}),
moved AS (
    UPDATE messages m
    SET {change}, seq = m.seq + 1, moved_at = greatest(m.moved_at, :now)
    FROM picked p WHERE m.id = p.id AND {PICKED}
    RETURNING {RETURNED}
),
{EVENTS}
SELECT id, status, tier, place, charged FROM moved ORDER BY id
""")
