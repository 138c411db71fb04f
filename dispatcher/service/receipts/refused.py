"""Receipts that were refused: counted for each provider, and told without their content."""

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
    One for each process that is called; `clock` tells seconds.

    The first of a provider is told at once, and then how many there were, at
    most once a minute: whoever floods us with forged receipts fills no log.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: dict[tuple[str, bool], float] = {}
        self._since: Counter[tuple[str, bool]] = Counter()

    def note(self, provider: str, error: BadReceipt) -> None:
        """Count one; `provider` is the name of one that is configured."""
        key = provider, isinstance(error, BadSignature)
        self._since[key] += 1
        now = self._clock()
        if now - self._told.get(key, -float("inf")) < INTERVAL.total_seconds():
            return
        self._told[key] = now
        # Not its words: they may quote what came.
        event = "receipts_forged" if key[1] else "receipts_unreadable"
        log.warning(event, provider=provider, count=self._since.pop(key))
