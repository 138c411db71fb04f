"""How a provider is at the moment: what its calls tell, and what an operator has ordered."""

from dataclasses import dataclass
from enum import StrEnum


class Breaker(StrEnum):
    """What a provider's calls of the last moments say of it."""

    CLOSED = "closed"  # it works
    HALF_OPEN = "half-open"  # it failed, and gets a trickle to show that it works again
    OPEN = "open"  # it fails: nothing goes there


class Order(StrEnum):
    """What an operator has ordered; it wins over the breaker."""

    NONE = "none"
    PAUSED = "paused"  # nothing goes there; messages that have no other way wait
    DRAINED = "drained"  # routes are as if it were not there; its receipts still come in
    PINNED = "pinned"  # first in every route that names it, whatever its breaker says


@dataclass(frozen=True, slots=True)
class Condition:
    """One provider's, as far as this process knows."""

    breaker: Breaker = Breaker.CLOSED
    order: Order = Order.NONE


WELL = Condition()
