"""Which senders may be used in a country, and what replaces the others."""

import re
from dataclasses import dataclass
from enum import StrEnum

_NUMERIC = re.compile(r"\+?[0-9]+")


class Alphanumeric(StrEnum):
    """A country's rule for senders that are not numbers."""

    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"
    REGISTERED = "registered"  # only those that were registered there beforehand


@dataclass(frozen=True, slots=True)
class SenderRule:
    """
    The rule of one country. Numbers are always allowed.

    `registered` senders are compared exactly. `replace_with` is the number
    that is shown instead of a sender that is not allowed.
    """

    alphanumeric: Alphanumeric
    registered: frozenset[str] = frozenset()
    replace_with: str | None = None

    def shown(self, sender: str) -> str | None:
        """Return the sender or its replacement; None if the sender may not be used."""
        if self.alphanumeric is Alphanumeric.ALLOWED or sender in self.registered or is_number(sender):
            return sender
        return self.replace_with


def is_number(sender: str) -> bool:
    """Return whether a sender is a short code or a number, and not a name."""
    return _NUMERIC.fullmatch(sender) is not None
