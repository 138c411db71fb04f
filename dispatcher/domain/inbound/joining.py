"""Which parts belong to one message, and the text of those that have come."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from dispatcher.domain.messages.alphabets import decode_text

HORIZON: Final = timedelta(hours=1)
"""
After this time a reference begins another message.

A handset counts its references modulo 256, or uses the same one for all of its
messages. What an SMSC repeats or delays comes sooner than that.
"""


@dataclass(frozen=True, slots=True)
class PartKey:
    """What the parts of a message have in common; `number` is the handset's, `recipient` ours."""

    provider: str
    number: str
    recipient: str
    reference: str
    total: int


@dataclass(frozen=True, slots=True)
class ReceivedPart:
    """One part; `number` counts from 1. `ref` is the provider's reference of the part, if it has one."""

    number: int
    octets: bytes
    alphabet: str
    ref: str | None = None
    sent_at: datetime | None = None

    def is_repeated(self, other: "ReceivedPart") -> bool:
        """Whether a part of the same number is this one again: by reference, or else by what it contains."""
        if self.ref is not None and other.ref is not None:
            return self.ref == other.ref
        return (self.octets, self.alphabet) == (other.octets, other.alphabet)


@dataclass(slots=True)
class PartJoin:
    """
    The parts of one message so far, by number. `id` is that of its row.

    `stored_as` is the public id of the message that was made of them; None
    while they wait.
    """

    id: int
    key: PartKey
    started_at: datetime
    stored_as: UUID | None = None
    parts: dict[int, ReceivedPart] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[int, ...]:
        """The numbers of the parts that have not come."""
        return tuple(number for number in range(1, self.key.total + 1) if number not in self.parts)

    @property
    def text(self) -> str:
        """The text of the parts that have come."""
        return joined_text(self.parts.values())


def join_of(part: ReceivedPart, joins: Sequence[PartJoin], *, now: datetime) -> PartJoin | None:
    """
    Return the message of this part: the newest one that has it already, or has none of its number.

    None if the part begins another message. `joins` are those of its key, the
    oldest first. A part with a reference is recognized however late it is repeated.
    """
    if part.ref is not None:
        for join in joins:
            if (earlier := join.parts.get(part.number)) is not None and earlier.ref == part.ref:
                return join
    recent = [join for join in joins if join.started_at > now - HORIZON]
    return next((join for join in reversed(recent) if _takes(join, part)), None)


def _takes(join: PartJoin, part: ReceivedPart) -> bool:
    earlier = join.parts.get(part.number)
    return earlier is None or part.is_repeated(earlier)


def joined_text(parts: Collection[ReceivedPart]) -> str:
    """
    Return the text of parts in their order.

    Parts that follow each other in one alphabet are joined before they are read,
    because a character may be cut between them. Where one is missing, nothing is
    joined across the gap.
    """
    texts = []
    octets, last = b"", None
    for part in sorted(parts, key=lambda part: part.number):
        if last is not None and (last.alphabet, last.number + 1) != (part.alphabet, part.number):
            texts.append(decode_text(octets, last.alphabet))
            octets = b""
        octets, last = octets + part.octets, part
    return "".join([*texts, decode_text(octets, last.alphabet)]) if last is not None else ""
