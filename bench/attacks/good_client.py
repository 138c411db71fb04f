"""A good client, who sends at a steady rate whatever the API does."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.client import Connection

RATE = 50
_NEW_EVERY = 10
_DEADLINE = 10.0


@dataclass
class Seen:
    """What the client saw: the seconds from the time of each request until its answer, and the statuses."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    @property
    def refused(self) -> int:
        """How many requests got another answer than 200, or none."""
        return self.statuses.total() - self.statuses["200"]


class GoodClient:
    """
    Sends single messages, RATE a second.

    Every tenth comes with a key that was not used before, on a new connection.
    A request that is late because others are slow counts from when it was to be sent.
    """

    def __init__(self, address: tuple[str, int], keys: Sequence[str]) -> None:
        self._address = address
        self._known, *new = keys
        self._new = iter(new)
        self._free: list[Connection] = []

    async def send_until(self, ends: asyncio.Event) -> Seen:
        """Send until the event; wait for all answers."""
        seen, started, number = Seen(), time.perf_counter(), 0
        async with asyncio.TaskGroup() as tasks:
            while not ends.is_set():
                due = started + number / RATE
                await asyncio.sleep(due - time.perf_counter())
                tasks.create_task(self._send(seen, number, due))
                number += 1
        return seen

    async def _send(self, seen: Seen, number: int, due: float) -> None:
        is_new = number % _NEW_EVERY == _NEW_EVERY - 1
        key = next(self._new, self._known) if is_new else self._known
        try:
            async with asyncio.timeout(_DEADLINE):
                connection = await self._connection(is_new=is_new)
                status, _ = await connection.post("/sms", _body(number), {"X-API-Key": key})
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            seen.statuses[type(error).__name__] += 1
        else:
            seen.statuses[str(status)] += 1
            self._free.append(connection)
        seen.seconds.append(time.perf_counter() - due)

    async def _connection(self, *, is_new: bool) -> Connection:
        while self._free and not is_new:
            if (connection := self._free.pop()).is_open:
                return connection
        return await Connection.open(*self._address)


def _body(number: int) -> bytes:
    return json.dumps({"to": f"+2547{number:08}", "from": "SHOP", "message": "Hello"}).encode()
