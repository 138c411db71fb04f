"""
The state of each provider, from the calls of all processes and the operators' overrides.

Twice a second this process adds its counts to those in Redis and reads the
sums of all processes, in one round trip for any number of calls. Without Redis
the last known states stay in force, and the counts are kept until Redis can be
reached. Overrides are read from Postgres when Redis says that they changed,
and every ten seconds in any case.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog

from dispatcher.domain.delivery.provider import ProviderConfig
from dispatcher.domain.errors import Unavailable
from dispatcher.domain.routing.breaker import BreakerState, CallTally, next_state
from dispatcher.domain.routing.provider_state import Override, ProviderState
from dispatcher.lanes.breaker import BreakerMove, Breakers, BreakerSnapshot
from dispatcher.service.database import Database
from dispatcher.service.task_set import TaskSet
from dispatcher.store.clock import release
from dispatcher.store.routing import overrides
from dispatcher.store.routing.overrides import SetOverride

log = structlog.get_logger()

INTERVAL = timedelta(seconds=0.5)
_OVERRIDES_AGE = 10.0
_BATCH = 1000
_CLOSE_TIMEOUT = 2.0


class ProviderHealth:
    """
    Follows the state of every provider; one for each process.

    `states` is a mapping that changes in place. The caller adds the calls of
    this process to `tallies`. `wake` wakes the timer for messages that are
    due. `on_failure` gets each unexpected error.
    """

    def __init__(
        self,
        providers: Sequence[ProviderConfig],
        database: Database,
        breakers: Breakers,
        *,
        wake: Callable[[datetime], None],
        on_failure: Callable[[str, BaseException], None] = lambda _task, _error: None,
    ) -> None:
        self.states: dict[str, ProviderState] = {}
        self.tallies = {config.name: CallTally(config.call_timeout) for config in providers}
        self.last_snapshot: BreakerSnapshot | None = None
        self.overrides: Mapping[str, SetOverride] = {}
        self.breakers = breakers
        self._database = database
        self._wake = wake
        self._read: tuple[int | None, float] = (None, float("-inf"))  # version of the overrides, and when
        self._stopping = asyncio.Event()
        self._on_failure = partial(on_failure, "provider health")
        self._refreshing = TaskSet(log, "providers_not_looked_at", on_failure=self._on_failure)
        self._releasing = TaskSet(log, "waiting_not_called", on_failure=self._on_failure)

    def start(self) -> None:
        """Refresh the states twice a second from now on, if there is any provider."""
        if self.tallies:
            self._refreshing.start(self._keep_refreshing())

    async def close(self) -> None:
        """Stop. What runs may end first: if it is cancelled, its connection stays open."""
        self._stopping.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self._refreshing.wait()
                await self._releasing.wait()
        await self._refreshing.cancel()
        await self._releasing.cancel()

    async def _keep_refreshing(self) -> None:
        while not self._stopping.is_set():
            try:
                await self.refresh()
            except Exception as error:  # the last known states stay in force; the next refresh may succeed
                log.exception("providers_not_looked_at")
                self._on_failure(error)
            with suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL.total_seconds()):
                    await self._stopping.wait()

    async def refresh(self) -> None:
        """Report the counts of this process, read all states, and move the breakers that must move now."""
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
        await self.breakers.refusals.write()
        await self._read_overrides(None if exchange is None else exchange.overrides_version)
        now = datetime.now(UTC) if self.last_snapshot is None else self.last_snapshot.now
        for name in names:
            before, self.states[name] = self.states.get(name), self._state(name)
            # A new process does it as well: one that has ended may not have.
            if (before is None or before.is_limited) and not self.states[name].is_limited:
                self._releasing.start(self._release_unless_unavailable(name, now))

    async def reload_overrides(self) -> None:
        """Make all processes, this one included, read the operators' overrides again."""
        self._read = (None, float("-inf"))
        await self.breakers.announce_override()

    async def release_waiting(self, provider: str, *, now: datetime) -> int:
        """
        Make all messages that wait for this provider due now; return their number. Raises Unavailable.

        Each process does it when it learns that the provider accepts messages
        again: until then it has held those that it read.
        """
        total = 0
        while True:
            released = await self._database.single(
                partial(release.make_due, provider=provider, now=now, limit=_BATCH)
            )
            total += released
            if released:
                self._wake(now)
            if released < _BATCH:
                return total

    async def wait_until_released(self) -> None:
        """Wait until every release that a refresh started has ended."""
        await self._releasing.wait()

    async def _move(
        self, seen: BreakerSnapshot, retry_after: Mapping[str, timedelta | None]
    ) -> BreakerSnapshot:
        """Move the breakers that these counts require to move. Return the snapshot after that."""
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
        for name, state in moved.items():
            log.warning("breaker_moved", provider=name, to=state.breaker.value, cause=state.cause)
        return after

    async def _release_unless_unavailable(self, provider: str, now: datetime) -> None:
        try:
            await self.release_waiting(provider, now=now)
        except Unavailable as error:  # each message becomes due later by itself
            log.warning("waiting_not_called", error=str(error))

    async def _read_overrides(self, version: int | None) -> None:
        known, at = self._read
        now = time.monotonic()
        if version == known and now - at < _OVERRIDES_AGE:
            return
        try:
            self.overrides = await self._database.single(overrides.current)
        except Unavailable as error:
            log.warning("orders_not_read", error=str(error))
        else:
            self._read = (version, now)

    def _state(self, name: str) -> ProviderState:
        current = self.overrides.get(name)
        override = Override.NONE if current is None else current.override
        breaker = self.breaker_state(name)
        if breaker is None:
            return ProviderState(override=override)
        return ProviderState(breaker.breaker, override, breaker.until)

    def describe(self, name: str, state: ProviderState) -> str:
        """Return this state of a provider in words, with its author or its cause where they are known."""
        order, breaker = self.overrides.get(name), self.breaker_state(name)
        if state.override is not Override.NONE:
            if order is None or order.override is not state.override:
                return str(state)
            return f"{state} by {order.by}" + (f" ({order.reason})" if order.reason else "")
        if breaker is None or breaker.breaker is not state.breaker or not breaker.cause:
            return str(state)
        return f"{state} ({breaker.cause})"

    def breaker_state(self, name: str) -> BreakerState | None:
        """Return the last known state of a provider's breaker; None before the first exchange with Redis."""
        return None if self.last_snapshot is None else self.last_snapshot.known[name].state
