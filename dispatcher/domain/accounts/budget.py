"""The credits and the daily messages that an account has left."""

from dataclasses import dataclass


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
