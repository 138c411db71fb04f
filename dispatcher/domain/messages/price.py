"""The price of a message, in credits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class PriceUnit(StrEnum):
    """The unit that a credit pays for."""

    SEGMENT = "segment"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class Prices:
    """The credits that one unit costs, by country; a country without a price of its own costs `elsewhere`."""

    unit: PriceUnit = PriceUnit.SEGMENT
    by_country: Mapping[str, int] = field(default_factory=dict)
    elsewhere: int = 1

    def of(self, country: str, segments: int) -> int:
        """Return the credits that one message of this many segments to this country costs."""
        units = segments if self.unit is PriceUnit.SEGMENT else 1
        return units * self.by_country.get(country, self.elsewhere)
