"""
How all providers are: tells what this process's calls came to, and learns what all processes told.

Twice a second, in one round trip to Redis, whatever was sent meanwhile.
Without Redis the last known conditions hold, and counts are kept until they
can be told. What an operator ordered is read from Postgres when Redis says
that it changed, and now and then without that.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

import structlog

from dispatcher.domain.breaker import Standing, Tally, judge
from dispatcher.domain.condition import Breaker, Condition, Order
from dispatcher.domain.errors import Unavailable
from dispatcher.domain.provider import ProviderConfig
from dispatcher.lanes.breaker import BreakerMove, Breakers, BreakerSnapshot
from dispatcher.service.database import Database
from dispatcher.store import orders, release
from dispatcher.store.orders import Ordered

log = structlog.get_logger()

EVERY = timedelta(seconds=0.5)
_ORDERS_AGE = 10.0
_BATCH = 1000
_CLOSE = 2.0


class Watch:
    """
    One for each process. `conditions` is the live mapping, `tallies` take counts.

    `ring` tells the clock's timer of messages that are due.
    """

    def __init__(
        self,
        providers: Sequence[ProviderConfig],
        database: Database,
        breakers: Breakers,
        *,
        ring: Callable[[datetime], None],
    ) -> None:
        self.conditions: dict[str, Condition] = {}
        self.tallies = {config.name: Tally(config.call_timeout) for config in providers}
        self.told: BreakerSnapshot | None = None
        self.ordered: Mapping[str, Ordered] = {}
        self.breakers = breakers
        self._database = database
        self._ring = ring
        self._read: tuple[int | None, float] = (None, float("-inf"))  # which orders, and when
        self._calling: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look twice a second from now on; never, where there is no provider."""
        if self.tallies:
            self._looking = asyncio.create_task(self._look_on())

    async def close(self) -> None:
        """Look no more. A look under way ends first, for a cancelled one would leave its connection open."""
        self._stopping.set()
        if self._looking is not None:
            await asyncio.wait([self._looking], timeout=_CLOSE)
            self._looking.cancel()
        for task in self._calling:
            task.cancel()
        await asyncio.gather(*self._calling, return_exceptions=True)

    async def _look_on(self) -> None:
        while not self._stopping.is_set():
            try:
                await self.look()
            except Exception:  # conditions stay as they are known; the next look may do better
                log.exception("providers_not_looked_at")
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY.total_seconds()):
                    await self._stopping.wait()

    async def look(self) -> None:
        """Tell, learn, and move the breakers whose time has come."""
        taken = {name: tally.take() for name, tally in self.tallies.items()}
        names = list(self.tallies)
        told = await self.breakers.exchange(names, {name: numbers for name, (numbers, _) in taken.items()})
        if told is None:
            for name, (numbers, _) in taken.items():
                self.tallies[name].put_back(numbers)
        else:
            told = await self._move(told, {name: longest for name, (_, longest) in taken.items()})
            self.told = told
        await self._read_orders(None if told is None else told.orders)
        for name in names:
            self.conditions[name] = self._condition(name)

    async def ordered_anew(self) -> None:
        """Let this process and all others read the operators' orders again."""
        self._read = (None, float("-inf"))
        await self.breakers.ordered()

    async def call(self, *, now: datetime) -> int:
        """Let all that waits for a provider be due now, a thousand in a statement. Raises Unavailable."""
        total = 0
        while True:
            called = await self._database.single(partial(release.call, now=now, limit=_BATCH))
            total += called
            if called:
                self._ring(now)
            if called < _BATCH:
                return total

    async def called(self) -> None:
        """Wait until what was begun to be called is."""
        if self._calling:
            await asyncio.wait(self._calling)

    async def _move(self, told: BreakerSnapshot, asked: Mapping[str, timedelta | None]) -> BreakerSnapshot:
        moves: dict[str, BreakerMove] = {}
        for name, known in told.known.items():
            to = judge(known.standing, known.window, now=told.now, told=asked[name])
            if to is not None:
                moves[name] = BreakerMove(known.version, to)
        if not moves:
            return told
        after = await self.breakers.exchange(list(told.known), {}, moves)
        if after is None:
            return told
        moved = {name: known.standing for name, known in after.known.items() if known.moved}
        for name, standing in moved.items():
            log.warning("breaker_moved", provider=name, to=standing.breaker.value, cause=standing.cause)
        if any(standing.breaker is Breaker.CLOSED for standing in moved.values()):
            self._call_beside(after.now)
        return after

    def _call_beside(self, now: datetime) -> None:
        async def calling() -> None:
            try:
                await self.call(now=now)
            except Unavailable as error:  # they come by themselves, later
                log.warning("waiting_not_called", error=str(error))

        task = asyncio.create_task(calling())
        self._calling.add(task)
        task.add_done_callback(self._calling.discard)

    async def _read_orders(self, number: int | None) -> None:
        known, at = self._read
        now = time.monotonic()
        if number == known and now - at < _ORDERS_AGE:
            return
        try:
            self.ordered = await self._database.single(orders.last)
        except Unavailable as error:
            log.warning("orders_not_read", error=str(error))
        else:
            self._read = (number, now)

    def _condition(self, name: str) -> Condition:
        ordered = self.ordered.get(name)
        order = Order.NONE if ordered is None else ordered.order
        standing = self.standing(name)
        if standing is None:
            return Condition(order=order)
        return Condition(standing.breaker, order, standing.until)

    def standing(self, name: str) -> Standing | None:
        """Tell where a provider's breaker stands, as last known; None while nothing is known of it."""
        return None if self.told is None else self.told.known[name].standing
