"""A part of a message from a handset, as a provider reports it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final, Self

from dispatcher.domain.messages.alphabets import UTF16, text_octets

MOST_PARTS: Final = 255


@dataclass(frozen=True, slots=True)
class InboundPart:
    """
    One of the `total` parts of a message from a handset; `number` counts from 1.

    The service joins the parts of a provider that have the same numbers, the
    same `reference` and the same `total`, whichever process they come to. It
    joins their octets and only then reads them, in `alphabet` (a name as in
    `domain.messages.alphabets`), because a character may be cut between two parts.

    `ref` is the provider's reference of the part. `join` is how long after the
    first part the others are waited for; then the message is stored without them.
    """

    JOIN: ClassVar = timedelta(seconds=10)

    sender: str
    recipient: str
    reference: str
    total: int
    number: int
    octets: bytes
    alphabet: str
    ref: str | None = None
    sent_at: datetime | None = None
    join: timedelta = JOIN

    def __post_init__(self) -> None:
        """Raise ValueError for a number that no part has: see `is_part`."""
        if not is_part(self.total, self.number):
            raise ValueError(f"there is no part {self.number} of {self.total}")

    @staticmethod
    def read_numbers(total: str, number: str) -> tuple[int, int] | None:
        """Return the total and the number from a provider's text; None if it is not one of several parts."""
        if not all(text.isdecimal() and len(text) <= len(str(MOST_PARTS)) for text in (total, number)):
            return None
        numbers = int(total), int(number)
        return numbers if is_part(*numbers) else None

    @classmethod
    def of_text(
        cls,
        sender: str,
        recipient: str,
        text: str,
        *,
        reference: str,
        numbers: tuple[int, int],
        ref: str | None = None,
        sent_at: datetime | None = None,
        join: timedelta = JOIN,
    ) -> Self:
        """
        Return a part that its provider has read already, perhaps with half of a character at its ends.

        `numbers` are its total and its number, as of `read_numbers`.
        """
        octets = text_octets(text)
        return cls(sender, recipient, reference, *numbers, octets, UTF16, ref, sent_at, join)


def is_part(total: int, number: int) -> bool:
    """Whether this is one of several parts; else it stands alone (3GPP TS 23.040, 9.2.3.24.1)."""
    return 1 < total <= MOST_PARTS and 1 <= number <= total
