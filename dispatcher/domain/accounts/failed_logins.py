"""How many logins failed within the last hour, and from where most of them came."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

PERIOD: Final = timedelta(hours=1)
MOST_ADDRESSES: Final = 200
"""How many addresses are counted separately in a minute."""

OTHERS: Final = "other addresses"

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class FailedLoginCount:
    """`count` logins failed within an hour, `most` of them from `address`; it is empty if none failed."""

    count: int = 0
    address: str = ""
    most: int = 0


NONE_FAILED: Final = FailedLoginCount()


class FailedLogins:
    """Counts the failed logins of one process, by address and minute."""

    def __init__(self) -> None:
        self._minutes: deque[tuple[datetime, Counter[str]]] = deque()

    def note(self, address: str, *, now: datetime) -> None:
        """Count a failed login."""
        if not self._minutes or now - self._minutes[-1][0] >= _MINUTE:
            self._forget(now)
            self._minutes.append((now, Counter()))
        counts = self._minutes[-1][1]
        counts[address if address in counts or len(counts) < MOST_ADDRESSES else OTHERS] += 1

    def last_hour(self, now: datetime) -> FailedLoginCount:
        """Return the count of the last hour, to the minute."""
        self._forget(now)
        total: Counter[str] = Counter()
        for _, counts in self._minutes:
            total.update(counts)
        return _count(total)

    def _forget(self, now: datetime) -> None:
        while self._minutes and now - self._minutes[0][0] >= PERIOD:
            self._minutes.popleft()


def add_up(counts: Sequence[FailedLoginCount]) -> FailedLoginCount:
    """Return the count of several processes; `most` is a lower bound, because each names one address."""
    by_address: Counter[str] = Counter()
    for one in counts:
        by_address[one.address] += one.most
    top = _count(by_address)
    return FailedLoginCount(sum(one.count for one in counts), top.address, top.most)


def _count(by_address: Counter[str]) -> FailedLoginCount:
    if not by_address.total():
        return NONE_FAILED
    [(address, most)] = by_address.most_common(1)
    return FailedLoginCount(by_address.total(), address, most)
