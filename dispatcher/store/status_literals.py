"""
Statuses as literals of SQL, rendered from the domain's enum and its table of transitions.

They are literals and not bind parameters because the planner uses a partial
index only where a statement repeats the condition of that index.
"""

from collections.abc import Iterable

from dispatcher.domain.messages.status import TRANSITIONS, Status

SCHEDULED = str(Status.SCHEDULED.value)
PENDING = str(Status.PENDING.value)
SENT = str(Status.SENT.value)
EXPIRED = str(Status.EXPIRED.value)
GAVE_UP = str(Status.GAVE_UP.value)
WITHDRAWN = str(Status.WITHDRAWN.value)


def code_list(statuses: Iterable[Status]) -> str:
    """Return the codes of statuses in ascending order, for an IN list."""
    return ", ".join(str(status.value) for status in sorted(statuses))


def is_allowed(old: str, new: str) -> str:
    """Return the condition that the table allows the transition from the status in `old` to that in `new`."""
    cases = (
        f"WHEN {status.value} THEN {new} IN ({code_list(following)})"
        for status, following in TRANSITIONS.items()
        if following
    )
    return f"CASE {old} {' '.join(cases)} ELSE false END"
