"""How a provider is at the moment: what its calls tell, and what an operator has ordered."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Breaker(StrEnum):
    """What a provider's calls of the last moments say of it."""

    CLOSED = "closed"  # it works
    SLOW = "slow"  # it works, but slowly: who has another way takes that
    HALF_OPEN = "half-open"  # it failed, and gets a trickle to show that it works again
    OPEN = "open"  # it fails: nothing goes there


class Override(StrEnum):
    """What an operator has ordered; it wins over the breaker."""

    NONE = "none"
    PAUSED = "paused"  # nothing goes there; messages that have no other way wait
    DRAINED = "drained"  # routes are as if it were not there; its receipts still come in
    PINNED = "pinned"  # first in every route that names it, whatever its breaker says


@dataclass(frozen=True, slots=True)
class ProviderState:
    """One provider's, as far as this process knows. `until` is when an open breaker is half-open."""

    breaker: Breaker = Breaker.CLOSED
    order: Override = Override.NONE
    until: datetime | None = None

    @property
    def is_barred(self) -> bool:
        """Whether nothing may go there now."""
        if self.order is Override.NONE:
            return self.breaker is Breaker.OPEN
        return self.order is not Override.PINNED

    @property
    def is_on_trial(self) -> bool:
        """Whether only a trickle may go there now."""
        return self.breaker is Breaker.HALF_OPEN and self.order is Override.NONE

    def __str__(self) -> str:
        """Tell it in a word: the order, or what the breaker says."""
        return (self.breaker if self.order is Override.NONE else self.order).value


AVAILABLE = ProviderState()
