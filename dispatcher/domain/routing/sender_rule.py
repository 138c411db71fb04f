"""Which senders a country lets be shown, and what stands for one that it does not."""

import re
from dataclasses import dataclass
from enum import StrEnum

_NUMERIC = re.compile(r"\+?[0-9]+")


class Alphanumeric(StrEnum):
    """What a country says of senders that are no numbers."""

    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"
    REGISTERED = "registered"  # those alone that were registered there beforehand


@dataclass(frozen=True, slots=True)
class SenderRule:
    """
    One country's rule. Numbers are always allowed.

    `registered` are compared as they are written. `replace_with` is the
    number that is shown instead of a sender that may not be.
    """

    alphanumeric: Alphanumeric
    registered: frozenset[str] = frozenset()
    replace_with: str | None = None

    def shown(self, sender: str) -> str | None:
        """Give what the recipient sees: this sender, what stands for it, or None where it may not be used."""
        if self.alphanumeric is Alphanumeric.ALLOWED or sender in self.registered or is_number(sender):
            return sender
        return self.replace_with


def is_number(sender: str) -> bool:
    """Tell whether a sender is a short code or a number, and not a name."""
    return _NUMERIC.fullmatch(sender) is not None
