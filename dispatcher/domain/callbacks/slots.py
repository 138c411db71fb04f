"""
How many calls of one process are open at a time, and whose call is next.

A receiver that is slow keeps its calls open for as long as it may. So an
account has few of them, and one host of several accounts has some more. Of
the due callbacks those of the account with the fewest open calls come first:
even if slow receivers fill all slots, the next one that is free goes to an
account that waits.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Final
from urllib.parse import urlsplit

MAX_CALLS: Final = 200
MAX_CALLS_OF_HOST: Final = 30
MAX_CALLS_OF_ACCOUNT: Final = 10


@dataclass(frozen=True, slots=True)
class CallbackCandidate:
    """A callback that is due."""

    id: int
    account_id: int
    url: str


class CallSlots:
    """The open calls of this process."""

    def __init__(self) -> None:
        self._accounts: Counter[int] = Counter()
        self._hosts: Counter[str] = Counter()
        self._last_account = 0

    @property
    def free(self) -> int:
        """How many more calls may be open."""
        return MAX_CALLS - self._accounts.total()

    def turn(self, due: Sequence[int]) -> list[int]:
        """
        Return the accounts to look at now: those with the fewest open calls, and of equals the next in turn.

        `due` has the accounts with a due callback, each once.
        """
        able = (account for account in due if self._accounts[account] < MAX_CALLS_OF_ACCOUNT)
        last = self._last_account
        chosen = sorted(able, key=lambda a: (self._accounts[a], a <= last, a))[: max(self.free, 0)]
        if chosen:
            self._last_account = chosen[-1]
        return chosen

    def choose(self, candidates: Sequence[CallbackCandidate]) -> list[int]:
        """Return the ids of the callbacks to call now. Those of one account stay in their order."""
        queues: defaultdict[int, deque[CallbackCandidate]] = defaultdict(deque)
        for candidate in candidates:
            queues[candidate.account_id].append(candidate)
        hosts = self._hosts.copy()
        waiting = [
            (self._accounts[account], turn, queue) for turn, (account, queue) in enumerate(queues.items())
        ]
        heapify(waiting)
        chosen: list[int] = []
        while waiting and len(chosen) < self.free:
            calls, turn, queue = heappop(waiting)
            while queue and hosts[_host(queue[0].url)] >= MAX_CALLS_OF_HOST:
                queue.popleft()
            if queue and calls < MAX_CALLS_OF_ACCOUNT:
                next_one = queue.popleft()
                hosts[_host(next_one.url)] += 1
                chosen.append(next_one.id)
                heappush(waiting, (calls + 1, turn, queue))
        return chosen

    def open(self, account_id: int, url: str) -> None:
        """Note that a call begins."""
        self._accounts[account_id] += 1
        self._hosts[_host(url)] += 1

    def close(self, account_id: int, url: str) -> None:
        """Note that a call has ended."""
        self._accounts -= Counter({account_id: 1})  # without those that are zero
        self._hosts -= Counter({_host(url): 1})


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # it will not be called
        return ""
