"""The submits that the SMSC throttles because of their time, whatever their content."""

from collections import Counter
from collections.abc import Hashable

from dispatcher.sandbox.settings import SandboxSettings


class SubmitPacing:
    """The unanswered submits of each bind, and a count of all submits since the last reset."""

    def __init__(self) -> None:
        self._unanswered: Counter[Hashable] = Counter()
        self._submits = 0

    def is_throttled(self, bind: Hashable, settings: SandboxSettings) -> bool:
        """Count a submit, and return whether it is refused as one too many."""
        self._submits += 1
        if settings.smpp_throttle_every and self._submits % settings.smpp_throttle_every == 0:
            return True
        return 0 < settings.smpp_submit_window <= self._unanswered[bind]

    def begin(self, bind: Hashable) -> None:
        """Note a submit that is answered later."""
        self._unanswered[bind] += 1

    def end(self, bind: Hashable) -> None:
        """Note that it is answered."""
        self._unanswered[bind] -= 1

    def forget(self, bind: Hashable) -> None:
        """Remove a bind that has ended."""
        del self._unanswered[bind]

    def reset(self) -> None:
        """Count submits from zero again."""
        self._submits = 0
