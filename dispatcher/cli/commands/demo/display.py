"""The progress of the demo: a live table on a terminal, elsewhere a line every two seconds."""

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

_INTERVAL = timedelta(seconds=2)


class Display(Protocol):
    """Shows the current status of each message; called repeatedly."""

    def __call__(self, statuses: Mapping[int, Status]) -> None: ...  # noqa: D102 - the class says it


@contextmanager
def display(tiers: Mapping[int, Tier]) -> Iterator[Display]:
    """Yield the display that suits standard output; `tiers` has the tier of each message id."""
    start = time.monotonic()
    out = console()
    if out.is_terminal:
        with Live(console=out, transient=True, refresh_per_second=8) as live:
            yield lambda statuses: live.update(_table(tiers, statuses, time.monotonic() - start))
    else:
        yield _Lines(start)


class _Lines:
    """Prints a line at most every two seconds, and only if the counts have changed."""

    def __init__(self, start: float) -> None:
        self._began = start
        self._next = 0.0
        self._printed: Counter[Status] = Counter()

    def __call__(self, statuses: Mapping[int, Status]) -> None:
        now, counts = time.monotonic(), Counter(statuses.values())
        if now >= self._next and counts != self._printed:
            self._next, self._printed = now + _INTERVAL.total_seconds(), counts
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
    statuses_table = build_table(("status", *Tier, "all"), rows, numbers=(*Tier, "all"))
    statuses_table.title = f"{len(statuses)} messages, {seconds:.0f} s"
    return statuses_table
