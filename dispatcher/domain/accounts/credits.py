"""Credits: the price of a message, and what an account has left."""

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


@dataclass(slots=True)
class AccountBudget:
    """
    The budget of an account while several of its submissions are checked, one after the other.

    `daily_cap` None means no cap; `counted` is the number of messages of the
    current UTC day.
    """

    balance: int
    daily_cap: int | None
    counted: int

    def covers(self, cost: int) -> bool:
        """Return whether the balance covers this cost."""
        return cost == 0 or cost <= self.balance

    def permits(self, messages: int) -> bool:
        """Return whether this many more messages stay within the daily cap."""
        return self.daily_cap is None or messages == 0 or self.counted + messages <= self.daily_cap

    def spend(self, cost: int, messages: int) -> None:
        """Subtract what a submission uses from what is left for the next ones."""
        self.balance -= cost
        self.counted += messages
