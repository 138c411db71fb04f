"""Receipts that were refused: counted for each provider, and logged without their content."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import structlog

from dispatcher.domain.errors import BadReceipt, BadSignature

log = structlog.get_logger()

INTERVAL = timedelta(minutes=1)


class RefusedReceipts:
    """
    Counts refused receipts; one for each process that accepts them. `clock` returns seconds.

    The first refusal of a provider is logged at once, and the number of
    further ones at most once a minute, so that a flood of forged receipts
    does not fill the log.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._logged_at: dict[tuple[str, bool], float] = {}
        self._since: Counter[tuple[str, bool]] = Counter()

    def note(self, provider: str, error: BadReceipt) -> None:
        """Count one refusal; `provider` is the name of a configured provider."""
        key = provider, isinstance(error, BadSignature)
        self._since[key] += 1
        now = self._clock()
        if now - self._logged_at.get(key, -float("inf")) < INTERVAL.total_seconds():
            return
        self._logged_at[key] = now
        # Without the message of the error, which may quote the request.
        event = "receipts_forged" if key[1] else "receipts_unreadable"
        log.warning(event, provider=provider, count=self._since.pop(key))
