"""The current state of a provider: its breaker, and an operator's override."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class BreakerPhase(StrEnum):
    """The state of a provider by its recent calls."""

    CLOSED = "closed"  # it works
    SLOW = "slow"  # it works, but slowly: messages that have another provider go there
    HALF_OPEN = "half-open"  # it failed, and gets a few messages to show that it works again
    OPEN = "open"  # it fails: no messages go there


class Override(StrEnum):
    """An operator's override, which takes precedence over the breaker."""

    NONE = "none"
    PAUSED = "paused"  # no messages go there; those that have no other provider wait
    # Routes ignore the provider; its receipts are still processed. Messages without another provider wait if
    # they were accepted before; new ones are refused with 28 if all providers of their route are drained.
    DRAINED = "drained"
    PINNED = "pinned"  # first in every route that names it, whatever its breaker says


@dataclass(frozen=True, slots=True)
class ProviderState:
    """The state of a provider as this process knows it. At `until` an open breaker becomes half-open."""

    breaker: BreakerPhase = BreakerPhase.CLOSED
    override: Override = Override.NONE
    until: datetime | None = None

    @property
    def is_barred(self) -> bool:
        """Whether no messages may go there now."""
        if self.override is Override.NONE:
            return self.breaker is BreakerPhase.OPEN
        return self.override is not Override.PINNED

    @property
    def is_on_trial(self) -> bool:
        """Whether only a few messages may go there now."""
        return self.breaker is BreakerPhase.HALF_OPEN and self.override is Override.NONE

    @property
    def is_limited(self) -> bool:
        """Whether messages may wait for it: it gets none, or only a few."""
        return self.is_barred or self.is_on_trial

    def __str__(self) -> str:
        """
        Return the state in a word: the override, or else what its breaker found.

        Not the breaker's own word: a closed breaker lets messages through.
        """
        return WORDS[self.breaker if self.override is Override.NONE else self.override]

    @property
    def consequence(self) -> str:
        """What it means for messages, as the rest of a sentence that begins with the provider's name."""
        if self.override is Override.NONE:
            return _CONSEQUENCES[self.breaker]
        return _CONSEQUENCES[self.override]


WORDS: Mapping[BreakerPhase | Override, str] = {
    BreakerPhase.CLOSED: "working",
    BreakerPhase.SLOW: "slow",
    BreakerPhase.HALF_OPEN: "on trial",
    BreakerPhase.OPEN: "failing",
    Override.NONE: "resumed",
    Override.PAUSED: "paused",
    Override.DRAINED: "drained",
    Override.PINNED: "pinned",
}
"""Each state in a word for people. A breaker's own word says the opposite: closed, messages pass."""
_CONSEQUENCES: Mapping[BreakerPhase | Override, str] = {
    BreakerPhase.CLOSED: "accepts messages",
    BreakerPhase.SLOW: "accepts messages, but answers slowly: messages with another provider go there",
    BreakerPhase.HALF_OPEN: "failed, and gets a few messages to show that it works again",
    BreakerPhase.OPEN: "fails, and gets no messages for now",
    Override.PAUSED: "is paused: it gets no messages, and those without another provider wait",
    Override.DRAINED: "is drained: it gets no messages, and new ones without another provider are refused",
    Override.PINNED: "is pinned: it comes first in every route that names it",
}

AVAILABLE = ProviderState()
