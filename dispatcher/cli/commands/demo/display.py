"""What is shown while the demo runs: a live table on a terminal, a line now and then elsewhere."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

from rich.live import Live
from rich.table import Table

from dispatcher.cli.console import build_table, console, print_line
from dispatcher.cli.status_words import status_label
from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier

_EVERY = timedelta(seconds=2)


class Display(Protocol):
    """Takes the present status of each message, as often as it likes to."""

    def __call__(self, statuses: Mapping[int, Status]) -> None: ...  # noqa: D102 - told by the class


@contextmanager
def display(tiers: Mapping[int, Tier]) -> Iterator[Display]:
    """Open the display that fits standard output; `tiers` has the tier of each message."""
    began = time.monotonic()
    out = console()
    if out.is_terminal:
        with Live(console=out, transient=True, refresh_per_second=8) as live:
            yield lambda statuses: live.update(_table(tiers, statuses, time.monotonic() - began))
    else:
        yield _Lines(began)


class _Lines:
    """One line each two seconds, and whenever the sums have changed since."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._next = 0.0
        self._told: Counter[Status] = Counter()

    def __call__(self, statuses: Mapping[int, Status]) -> None:
        now, counts = time.monotonic(), Counter(statuses.values())
        if now >= self._next and counts != self._told:
            self._next, self._told = now + _EVERY.total_seconds(), counts
            words = ", ".join(f"{count} {status_label(status)}" for status, count in sorted(counts.items()))
            print_line(f"{now - self._began:5.1f} s  {words}")


def _table(tiers: Mapping[int, Tier], statuses: Mapping[int, Status], seconds: float) -> Table:
    counts = Counter((tiers[message_id], status) for message_id, status in statuses.items())
    rows = [
        (
            status_label(status),
            *(counts[tier, status] or "" for tier in Tier),
            sum(counts[t, status] for t in Tier),
        )
        for status in sorted(set(statuses.values()))
    ]
    made = build_table(("status", *Tier, "all"), rows, numbers=(*Tier, "all"))
    made.title = f"{len(statuses)} messages, {seconds:.0f} s"
    return made
