"""A provider fails on real sockets under load: all messages arrive once, at the rate of the other."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any, cast

import pytest

from dispatcher.domain.delivery.provider import ProviderConfig, Traffic
from dispatcher.domain.messages.status import Status
from dispatcher.domain.routing import breaker
from dispatcher.domain.routing.provider_state import BreakerPhase
from dispatcher.domain.tier import Tier
from dispatcher.providers.generic_http import HttpProvider
from dispatcher.service.routing import providers
from dispatcher.service.routing.providers import ProviderReport
from tests.providers.peer import Got, Reply, http_reply, listening
from tests.world import World

SECOND = timedelta(seconds=1)
TPS = 150


class Mood(Enum):
    """How a network treats a message."""

    WELL = auto()
    REFUSES = auto()  # answers 503
    HANGS = auto()  # takes nothing and says nothing
    TAKES_SILENTLY = auto()  # takes it, and says nothing


@dataclass
class Network:
    """The provider's side: the messages that it accepted, and the times of the requests."""

    mood: Mood = Mood.WELL
    taken: Counter[str] = field(default_factory=Counter)
    asked: list[float] = field(default_factory=list)

    def script(self, got: Got, number: int) -> Reply:
        self.asked.append(asyncio.get_running_loop().time())
        reference = str(got.document["reference"])
        if self.mood in {Mood.WELL, Mood.TAKES_SILENTLY}:
            self.taken[reference] += 1
        match self.mood:
            case Mood.WELL:
                return Reply(http_reply(200, {"id": f"{number}-{reference}"}))
            case Mood.REFUSES:
                return Reply(http_reply(503))
        return Reply(None)

    def most_in_a_second(self) -> int:
        """Count what came in the second in which most came, wherever it begins."""
        times = sorted(self.asked)
        first = most = 0
        for last, moment in enumerate(times):
            while times[first] <= moment - 1:
                first += 1
            most = max(most, last - first + 1)
        return most


class RealTime:
    """Time that passes by itself."""

    uncertainty = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def advance(self, by: timedelta) -> None:
        raise AssertionError("this time cannot be set")


@contextmanager
def _http(world: World, name: str, url: str, *, tps: float, call_timeout: float) -> Iterator[HttpProvider]:
    options: dict[str, Any] = {
        "url": url,
        "json": {"reference": "{reference}"},
        "reference": {"path": "id"},
    }
    config = ProviderConfig(
        name, "http", options, tps=tps, takes=Traffic.BOTH, call_timeout=timedelta(seconds=call_timeout)
    )
    provider = HttpProvider(config)
    world.configs[name], world.providers[name] = config, cast("Any", provider)
    yield provider


@asynccontextmanager
async def _networks(world: World, *, call_timeout: float) -> AsyncIterator[tuple[Network, Network]]:
    first, second = Network(), Network()
    world.providers.clear()
    async with listening(first.script) as one, listening(second.script) as other:
        with (
            _http(world, "first", one.url, tps=2 * TPS, call_timeout=call_timeout) as a,
            _http(world, "second", other.url, tps=TPS, call_timeout=call_timeout) as b,
        ):
            try:
                yield first, second
            finally:
                await a.close()
                await b.close()


async def _work(world: World) -> None:
    """Run the clock and a worker until cancelled."""
    async with world.worker() as worker:
        chunks: set[asyncio.Task[Mapping[str, int]]] = set()
        try:
            while True:
                await world.clock.release()
                await world.clock.fill()
                ids = world.lanes.take()
                for start in range(0, len(ids), 100):
                    chunks.add(asyncio.create_task(worker.deliver(ids[start : start + 100])))
                await asyncio.sleep(0.05)
        finally:
            await asyncio.gather(*chunks)


async def _until(world: World, name: str, wanted: Sequence[BreakerPhase]) -> None:
    async with asyncio.timeout(30):
        while world.ctx.provider_states[name].breaker not in wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def _count(world: World, status: Status) -> int:
    row = await world.one("SELECT count(*) AS n FROM messages WHERE status = :status", status=int(status))
    return int(row.n)


def test_a_provider_that_refuses_then_hangs_then_comes_back_costs_no_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "_FIRST_PAUSE", SECOND / 2)
    world.time = cast("Any", RealTime())
    count = 1800

    async def story() -> None:
        async with _networks(world, call_timeout=0.5) as (first, second), world.open():
            await world.create_account()
            world.ctx.provider_health.start()
            await world.submit([f"+25471234{n:04}" for n in range(count)])
            working = asyncio.create_task(_work(world))
            await _reached(first, 200)
            first.mood = Mood.REFUSES
            await _until(world, "first", [BreakerPhase.OPEN])
            first.mood = Mood.HANGS
            await _until(world, "first", [BreakerPhase.HALF_OPEN])
            await _until(world, "first", [BreakerPhase.OPEN])
            first.mood = Mood.WELL
            came_back = len(first.asked)
            await _until(world, "first", [BreakerPhase.CLOSED])
            await _reached(first, came_back + 100)
            async with asyncio.timeout(60):
                while await _count(world, Status.SENT) < count:  # noqa: ASYNC110 - nothing signals it
                    await asyncio.sleep(0.2)
            report = await providers.one(world.ctx, "first")
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            await world.ctx.provider_health.close()
        taken = first.taken + second.taken
        assert (len(taken), set(taken.values())) == (count, {1})
        assert len(second.taken) > 100
        assert second.most_in_a_second() <= TPS
        _check_history(report)

    asyncio.run(story())


async def _reached(network: Network, asked: int) -> None:
    async with asyncio.timeout(30):
        while len(network.asked) < asked:  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.02)


def _check_history(report: ProviderReport) -> None:
    history = [(move.to, move.cause) for move in reversed(report.history)]
    moves = [to for to, _ in history]
    assert moves[:4] == [BreakerPhase.OPEN, BreakerPhase.HALF_OPEN, BreakerPhase.OPEN, BreakerPhase.HALF_OPEN]
    assert moves[-1] is BreakerPhase.CLOSED
    assert "deferred" in history[0][1]
    assert "unanswered" in history[2][1]


def test_resends_to_a_network_that_never_answers_depend_on_the_tier(
    world: World,
) -> None:
    """Critical and standard messages are sent again at most three times, bulk never."""

    world.time = cast("Any", RealTime())
    world.settings = world.settings.model_copy(update={"backoff_base": 0.02, "backoff_cap": 0.05})

    async def story() -> None:
        async with _networks(world, call_timeout=0.3) as (first, second), world.open():
            await world.create_account()
            first.mood = Mood.TAKES_SILENTLY
            named = {tier: (await world.submit(tier=tier)).messages[0] for tier in Tier}
            working = asyncio.create_task(_work(world))
            async with asyncio.timeout(30):
                while await _count(world, Status.PENDING):  # noqa: ASYNC110 - nothing signals it
                    await asyncio.sleep(0.05)
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            times = {}
            for tier, message in named.items():
                row = await world.row(message.id)
                assert row.status == Status.GAVE_UP
                times[tier] = first.taken[str(row.public_id)]
                assert row.doubts == times[tier]
            assert times == {Tier.CRITICAL: 4, Tier.STANDARD: 4, Tier.BULK: 1}
            assert not second.taken  # only the provider that may have the message is called again

    asyncio.run(story())
