"""Polling, with growing pauses, until a final status or the receipt time-out."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from dispatcher.domain.delivery.provider import Accepted, ProviderConfig, ReceiptReport, Traffic
from dispatcher.domain.errors import Unavailable
from dispatcher.domain.messages.status import Status
from dispatcher.service.receipts import ingest
from dispatcher.service.receipts.polling import SLICE, Poller
from dispatcher.settings import Settings
from tests.world import ScriptedProvider, World

SECOND = timedelta(seconds=1)
FIRST = 30 * SECOND


@dataclass
class PolledProvider(ScriptedProvider):
    """Reports the statuses in `known` of the references that are polled, or raises `fault`."""

    known: dict[str, Status | None] = field(default_factory=dict)
    asked: list[tuple[str, ...]] = field(default_factory=list)
    fault: Exception | None = None
    answering: asyncio.Event | None = None
    called: asyncio.Event = field(default_factory=asyncio.Event)

    async def poll(self, refs: Sequence[str]) -> Sequence[ReceiptReport]:
        self.asked.append(tuple(sorted(refs)))
        self.called.set()
        if self.answering is not None:
            await self.answering.wait()
        if self.fault is not None:
            raise self.fault
        return [ReceiptReport(ref, None, self.known[ref]) for ref in refs if ref in self.known]


@pytest.fixture
def sim() -> PolledProvider:
    """Return the provider of the world, which must be polled."""
    return PolledProvider()


@pytest.fixture
def world(settings: Settings, sim: PolledProvider) -> World:
    """Return a dispatcher whose only provider is polled, first after 30 seconds."""
    world = World(settings)
    world.providers["sim"] = sim
    world.configs["sim"] = _config("sim")
    return world


def _config(name: str) -> ProviderConfig:
    return ProviderConfig(name=name, plugin="test", options={}, tps=10_000, takes=Traffic.BOTH, poll=FIRST)


async def _sent(world: World, *refs: str) -> int:
    world.sim.always(Accepted(refs))
    [message] = (await world.submit()).messages
    await world.deliver()
    return message.id


def test_a_polled_status_is_a_receipt(world: World, sim: PolledProvider) -> None:
    async def story() -> None:
        message_id = await _sent(world, "r1")
        sim.known["r1"] = Status.RECEIVED
        world.time.advance(FIRST)
        assert await Poller(world.ctx).poll() == 1
        assert [status for status, _ in await world.events(message_id)] == [11, 12, 13]
        assert (await world.one("SELECT verdict FROM receipts")).verdict == "moved"

    world.run(story)


def test_each_pause_is_as_long_as_all_before_it_up_to_an_hour(world: World, sim: PolledProvider) -> None:
    async def story() -> None:
        await _sent(world, "r1")
        poller, sent = Poller(world.ctx), world.time.now()
        times: list[timedelta] = []
        while len(times) < 10:
            row = await world.one("SELECT wake_at FROM provider_references")
            world.time.at = row.wake_at - timedelta(milliseconds=1)
            await poller.poll()
            assert len(sim.asked) == len(times)
            world.time.at = row.wake_at
            await poller.poll()
            times.append(world.time.now() - sent)
        minutes = [at / timedelta(minutes=1) for at in times]
        assert minutes == [0.5, 1, 2, 4, 8, 16, 32, 64, 124, 184]

    world.run(story)


@pytest.mark.parametrize("end", [Status.RECEIVED, Status.FAILED])
def test_a_message_with_a_final_status_is_not_polled_again(
    world: World, sim: PolledProvider, end: Status
) -> None:
    async def story() -> None:
        await _sent(world, "r1")
        await ingest.keep(world.ctx, "sim", [ReceiptReport("r1", None, end)])
        world.time.advance(FIRST)
        await Poller(world.ctx).poll()
        assert sim.asked == []
        assert (await world.one("SELECT wake_at FROM provider_references")).wake_at is None

    world.run(story)


def test_no_message_is_polled_after_the_receipt_time_out(world: World, sim: PolledProvider) -> None:
    async def story() -> None:
        await _sent(world, "r1")
        world.time.advance(world.settings.retry_policy.receipt)
        await Poller(world.ctx).poll()
        assert sim.asked == []
        assert (await world.one("SELECT wake_at FROM provider_references")).wake_at is None

    world.run(story)


def test_only_parts_without_a_final_status_are_polled(world: World, sim: PolledProvider) -> None:
    async def story() -> None:
        message_id = await _sent(world, "p1", "p2")
        sim.known["p1"] = Status.RECEIVED
        poller = Poller(world.ctx)
        world.time.advance(FIRST)
        await poller.poll()
        await ingest.match(world.ctx)
        sim.known["p2"] = Status.RECEIVED
        world.time.advance(FIRST)
        await poller.poll()
        await ingest.match(world.ctx)
        assert sim.asked == [("p1", "p2"), ("p2",)]
        assert (await world.row(message_id)).status == 13

    world.run(story)


def test_a_message_that_is_still_on_its_way_leaves_no_receipt(world: World, sim: PolledProvider) -> None:
    async def story() -> None:
        await _sent(world, "r1")
        sim.known["r1"] = None
        world.time.advance(FIRST)
        assert await Poller(world.ctx).poll() == 0
        assert await world.all("SELECT 1 FROM receipts") == []

    world.run(story)


def test_two_processes_never_poll_the_same_reference_at_once(world: World, sim: PolledProvider) -> None:
    async def story() -> None:
        for n in range(SLICE + 20):
            await _sent(world, f"r{n}")
        world.time.advance(FIRST)
        await asyncio.gather(Poller(world.ctx).poll(), Poller(world.ctx).poll())
        asked = [ref for refs in sim.asked for ref in refs]
        assert len(asked) == len(set(asked)) == SLICE + 20
        assert max(map(len, sim.asked)) == SLICE

    world.run(story)


def test_a_poller_makes_one_poll_of_a_provider_at_a_time(world: World, sim: PolledProvider) -> None:
    async def story() -> None:
        await _sent(world, "r1")
        sim.answering = asyncio.Event()
        world.time.advance(FIRST)
        poller = Poller(world.ctx)
        first = asyncio.create_task(poller.poll())
        await sim.called.wait()
        world.time.advance(FIRST)
        assert await poller.poll() == 0
        sim.answering.set()
        await first
        assert len(sim.asked) == 1

    world.run(story)


@pytest.mark.parametrize("fault", [Unavailable("no answer"), ValueError("a bug")])
def test_a_provider_that_fails_is_paused_and_does_not_affect_the_others(
    world: World, sim: PolledProvider, fault: Exception
) -> None:
    other = PolledProvider(known={"o1": Status.RECEIVED})
    world.providers["other"] = other
    world.configs["other"] = _config("other")

    async def story() -> None:
        await _sent(world, "r1")
        message_id = await _sent(world, "r2")
        await world.all("UPDATE provider_references SET provider = 'other', ref = 'o1' WHERE ref = 'r2'")
        sim.fault = fault
        poller = Poller(world.ctx)
        for _ in range(2):
            world.time.advance(FIRST)
            await poller.poll()
        assert (await world.row(message_id)).status == 13
        assert sim.asked == [("r1",)]

    world.run(story)


def test_a_provider_without_poll_is_never_polled(world: World, sim: PolledProvider) -> None:
    world.configs.clear()

    async def story() -> None:
        await _sent(world, "r1")
        world.time.advance(timedelta(hours=1))
        await Poller(world.ctx).poll()
        assert sim.asked == []
        assert (await world.one("SELECT wake_at FROM provider_references")).wake_at is None

    world.run(story)


def test_a_poll_ends_at_its_time_limit(world: World, sim: PolledProvider) -> None:
    async def story() -> None:
        await _sent(world, "r1")
        sim.answering = asyncio.Event()
        world.time.advance(FIRST)
        assert await Poller(world.ctx, time_limit=timedelta(milliseconds=50)).poll() == 0
        assert sim.asked == [("r1",)]

    world.run(story)
