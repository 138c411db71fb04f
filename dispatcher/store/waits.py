"""
The waits of messages, in the statements that move them: what a message waits for now, and what it waited for.

A statement that moves a message ends its present wait and begins the next.
The ended wait is added to `waits` of the row that is written anyway, if it
took a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dispatcher.domain.messages.waits import MOST_KEPT, SHORTEST, WaitKind

NOW = "CAST(:now AS timestamptz)"
NONE = "NULL"
LAST_UNTIL = "CAST(m.waits -> -1 ->> 'until' AS timestamptz)"
"""The end of the last wait that is kept; null if there is none."""


@dataclass(frozen=True, slots=True)
class EndedWait:
    """The SQL of a wait that ends; without arguments, of the present wait of the message `m`, ending now."""

    kind: str = "m.wait_kind"
    detail: str = "m.waits_for"
    since: str = "m.wait_since"
    until: str = NOW

    @property
    def counts(self) -> str:
        """The condition that it is a wait, and long enough to be kept."""
        seconds = SHORTEST.total_seconds()
        return f"({self.kind} IS NOT NULL AND {self.until} - {self.since} >= interval '{seconds} s')"

    @property
    def as_json(self) -> str:
        """An array with the wait, or with nothing if it does not count."""
        fields = f"'kind', {self.kind}, 'detail', {self.detail}, 'since', {self.since}, 'until', {self.until}"
        wait = f"jsonb_build_array(jsonb_build_object({fields}))"
        return f"CASE WHEN {self.counts} THEN {wait} ELSE CAST('[]' AS jsonb) END"


def kind_of(kind: WaitKind) -> str:
    """Return a kind as a literal."""
    return f"'{kind.value}'"


def kept(*ended: EndedWait) -> str:
    """Return the value of `waits` with those of the waits that count, without the oldest of too many."""
    some = " OR ".join(one.counts for one in ended)
    all_waits = " || ".join(["coalesce(m.waits, CAST('[]' AS jsonb))", *[one.as_json for one in ended]])
    latest = f"jsonb_path_query_array({all_waits}, '$[last - {MOST_KEPT - 1} to last]')"
    return f"CASE WHEN {some} THEN {latest} ELSE m.waits END"


def begin(
    kind: str, *, detail: str = NONE, since: str = NOW, ended: Sequence[EndedWait] = (EndedWait(),)
) -> str:
    """Return the assignments that keep the waits that ended and begin the next; a kind of NULL is no wait."""
    return f"waits = {kept(*ended)}, wait_kind = {kind}, waits_for = {detail}, wait_since = {since}"
