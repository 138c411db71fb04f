"""A promise that was broken, with the history of its message."""

from collections.abc import Sequence
from dataclasses import dataclass

from faults.auditor.evidence import StoredMessage


@dataclass(frozen=True, slots=True)
class Violation:
    """The rule that was broken, the number or the name it is about, and what was expected instead."""

    rule: str
    number: str
    expected: str
    rows: Sequence[StoredMessage] = ()

    def describe(self) -> str:
        """Return it as text, with the id and the history of each row."""
        lines = [f"{self.rule}: {self.number}: expected {self.expected}"]
        for row in self.rows:
            lines.append(
                f"  message {row.id} ({row.public_id}): {row.status.name} {row.place or ''} {row.reason}"
                f" doubts={row.doubts}"
            )
            lines += [f"    {e.seq} {e.at:.3f} {e.status.name} {e.reason}" for e in row.events]
        return "\n".join(lines)
