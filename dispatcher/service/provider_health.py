"""
The condition of each provider, from the calls of all processes and the operators' orders.

Twice a second this process hands its counts to Redis and reads those of all
processes, in one round trip however many calls there were. Without Redis the
last known conditions hold, and counts are kept until they can be handed over.
Operators' orders are read from Postgres when Redis says that they changed, and
now and then without that.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

import structlog

from dispatcher.domain.delivery.provider import ProviderConfig
from dispatcher.domain.errors import Unavailable
from dispatcher.domain.routing.breaker import BreakerState, CallTally, next_state
from dispatcher.domain.routing.provider_state import Breaker, Override, ProviderState
from dispatcher.lanes.breaker import BreakerMove, Breakers, BreakerSnapshot
from dispatcher.service.database import Database
from dispatcher.service.task_set import TaskSet
from dispatcher.store.clock import release
from dispatcher.store.routing import overrides
from dispatcher.store.routing.overrides import SetOverride

log = structlog.get_logger()

EVERY = timedelta(seconds=0.5)
_ORDERS_AGE = 10.0
_BATCH = 1000
_CLOSE = 2.0


class ProviderHealth:
    """
    One for each process. `states` is the live mapping, `tallies` take this process's counts.

    `wake` wakes the timer for messages that are due.
    """

    def __init__(
        self,
        providers: Sequence[ProviderConfig],
        database: Database,
        breakers: Breakers,
        *,
        wake: Callable[[datetime], None],
    ) -> None:
        self.states: dict[str, ProviderState] = {}
        self.tallies = {config.name: CallTally(config.call_timeout) for config in providers}
        self.last_snapshot: BreakerSnapshot | None = None
        self.overrides: Mapping[str, SetOverride] = {}
        self.breakers = breakers
        self._database = database
        self._wake = wake
        self._read: tuple[int | None, float] = (None, float("-inf"))  # which orders were read, and when
        self._stopping = asyncio.Event()
        self._looking = TaskSet(log, "providers_not_looked_at")
        self._releasing = TaskSet(log, "waiting_not_called")

    def start(self) -> None:
        """Look twice a second from now on, if there is any provider."""
        if self.tallies:
            self._looking.start(self._look_on())

    async def close(self) -> None:
        """Stop looking. A look under way ends first: a cancelled one would leave its connection open."""
        self._stopping.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE):
                await self._looking.wait()
        await self._looking.cancel()
        await self._releasing.cancel()

    async def _look_on(self) -> None:
        while not self._stopping.is_set():
            try:
                await self.refresh()
            except Exception:  # the last known conditions hold; the next look may succeed
                log.exception("providers_not_looked_at")
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY.total_seconds()):
                    await self._stopping.wait()

    async def refresh(self) -> None:
        """Hand over counts, read all conditions, and move the breakers whose time has come."""
        taken = {name: tally.take() for name, tally in self.tallies.items()}
        names = list(self.tallies)
        exchange = await self.breakers.exchange(
            names, {name: numbers for name, (numbers, _) in taken.items()}
        )
        if exchange is None:
            for name, (numbers, _) in taken.items():
                self.tallies[name].put_back(numbers)
        else:
            exchange = await self._move(exchange, {name: longest for name, (_, longest) in taken.items()})
            self.last_snapshot = exchange
        await self._read_orders(None if exchange is None else exchange.overrides_version)
        for name in names:
            self.states[name] = self._condition(name)

    async def reload_overrides(self) -> None:
        """Make this process and all others read the operators' orders again."""
        self._read = (None, float("-inf"))
        await self.breakers.announce_override()

    async def release_waiting(self, *, now: datetime) -> int:
        """Make all messages that wait for a provider due now, and return how many. Raises Unavailable."""
        total = 0
        while True:
            released = await self._database.single(partial(release.make_due, now=now, limit=_BATCH))
            total += released
            if released:
                self._wake(now)
            if released < _BATCH:
                return total

    async def wait_until_released(self) -> None:
        """Wait for the end of each release that a closing breaker has begun."""
        await self._releasing.wait()

    async def _move(
        self, seen: BreakerSnapshot, retry_after: Mapping[str, timedelta | None]
    ) -> BreakerSnapshot:
        """Move the breakers for which these counts call. Return what holds then."""
        moves: dict[str, BreakerMove] = {}
        for name, known in seen.known.items():
            to = next_state(known.state, known.window, now=seen.now, requested_pause=retry_after[name])
            if to is not None:
                moves[name] = BreakerMove(known.version, to)
        if not moves:
            return seen
        after = await self.breakers.exchange(list(seen.known), {}, moves)
        if after is None:
            return seen
        moved = {name: known.state for name, known in after.known.items() if known.moved}
        for name, standing in moved.items():
            log.warning("breaker_moved", provider=name, to=standing.breaker.value, cause=standing.cause)
        if any(standing.breaker is Breaker.CLOSED for standing in moved.values()):
            self._releasing.start(self._release_if_there(after.now))
        return after

    async def _release_if_there(self, now: datetime) -> None:
        try:
            await self.release_waiting(now=now)
        except Unavailable as error:  # they are due by themselves, later
            log.warning("waiting_not_called", error=str(error))

    async def _read_orders(self, number: int | None) -> None:
        known, at = self._read
        now = time.monotonic()
        if number == known and now - at < _ORDERS_AGE:
            return
        try:
            self.overrides = await self._database.single(overrides.current)
        except Unavailable as error:
            log.warning("orders_not_read", error=str(error))
        else:
            self._read = (number, now)

    def _condition(self, name: str) -> ProviderState:
        ordered = self.overrides.get(name)
        order = Override.NONE if ordered is None else ordered.override
        standing = self.breaker_state(name)
        if standing is None:
            return ProviderState(override=order)
        return ProviderState(standing.breaker, order, standing.until)

    def breaker_state(self, name: str) -> BreakerState | None:
        """Return where a provider's breaker stands, as last known; None while nothing is known of it."""
        return None if self.last_snapshot is None else self.last_snapshot.known[name].state
