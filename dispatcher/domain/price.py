"""What a message costs, in credits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Unit(StrEnum):
    """What a credit pays for."""

    SEGMENT = "segment"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class Prices:
    """Credits for one unit, by country; a country that is not named costs `elsewhere`."""

    unit: Unit = Unit.SEGMENT
    by_country: Mapping[str, int] = field(default_factory=dict)
    elsewhere: int = 1

    def of(self, country: str, segments: int) -> int:
        """Tell what one message of so many segments to this country costs."""
        units = segments if self.unit is Unit.SEGMENT else 1
        return units * self.by_country.get(country, self.elsewhere)
