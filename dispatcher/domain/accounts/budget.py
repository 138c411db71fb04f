"""The credits and the messages of a day that an account has left."""

from dataclasses import dataclass


@dataclass(slots=True)
class AccountBudget:
    """
    What an account may still spend and send while several of its submissions are judged, one after the other.

    `daily_cap` None means no cap; `counted` are the messages of the present UTC day.
    """

    balance: int
    daily_cap: int | None
    counted: int

    def covers(self, cost: int) -> bool:
        """Whether the balance pays for this cost."""
        return cost == 0 or cost <= self.balance

    def permits(self, messages: int) -> bool:
        """Whether this many more messages stay within the daily cap."""
        return self.daily_cap is None or messages == 0 or self.counted + messages <= self.daily_cap

    def spend(self, cost: int, messages: int) -> None:
        """Leave less for the submissions that follow."""
        self.balance -= cost
        self.counted += messages
