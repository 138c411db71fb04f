"""Long texts from a lane to our sandbox: each part once, under one reference, whatever the SMSC answers."""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from dispatcher.domain.delivery.provider import ProviderConfig, Traffic
from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier
from dispatcher.providers.smpp import SmppProvider
from dispatcher.sandbox import smpp_options
from dispatcher.service.context import ConfiguredProvider
from dispatcher.service.receipts import ingest
from dispatcher.service.receipts.ingest import ReceiptMatcher
from dispatcher.settings import Settings
from tests.sandbox.esme import EsmeSession, opened
from tests.world import World

TEXT = "".join(f"{n:03} " for n in range(100))
ONCE = [(1, 1, 1), (2, 1, 1), (3, 1, 1)]
"""Each part was taken once, and had one reference."""


@dataclass(frozen=True, slots=True)
class Phone:
    """What a handset got: each part's number, how often it was taken, under how many references; the text."""

    parts: list[tuple[int, int, int]]
    text: str
    references: int


Story = Callable[[EsmeSession], Awaitable[None]]


@asynccontextmanager
async def bound(world: World, port: int, **options: object) -> AsyncIterator[None]:
    """Make SMPP the only provider."""
    config = ProviderConfig(
        "sim",
        "smpp",
        {**smpp_options("127.0.0.1", port), **options},
        tps=10_000,
        takes=Traffic.BOTH,
        call_timeout=timedelta(seconds=1),
    )
    provider = SmppProvider(config)
    world.ctx = replace(world.ctx, providers={"sim": ConfiguredProvider(config, provider)})
    ingest.listen(world.ctx, ReceiptMatcher(world.ctx))
    try:
        yield
    finally:
        await provider.close()


def over_sandbox(world: World, story: Story, *, settings: Mapping[str, object], **options: object) -> None:
    async def main() -> None:
        async with opened(**settings) as sandbox, bound(world, sandbox.port, **options):
            await story(sandbox)

    world.run(main)


async def phones(sandbox: EsmeSession) -> Mapping[str, Phone]:
    """Return what each handset got. Parts that were not taken are left out."""
    by_number: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in await sandbox.messages(limit="5000"):
        if one["accepted"]:
            by_number[one["to"]].append(one)
    found = {}
    for number, parts in by_number.items():
        parts.sort(key=lambda one: one["part"]["number"])
        counts = [(p["part"]["number"], p["accepted"], len(p["part"]["references"])) for p in parts]
        references = {reference for p in parts for reference in p["part"]["references"]}
        found[number] = Phone(counts, "".join(p["text"] for p in parts), len(references))
    return found


async def until_final(world: World, *, tries: int = 40) -> None:
    for _ in range(tries):
        rows = await world.all("SELECT wake_at FROM messages WHERE place IS NOT NULL")
        if not rows:
            return
        world.time.at = max([world.time.at, *[row.wake_at for row in rows if row.wake_at]])
        await world.clock.expire()
        await world.clock.release()
        await world.clock.fill()
        await world.deliver()
    raise AssertionError("some messages do not end")


async def until_received(world: World, sandbox: EsmeSession) -> None:
    await sandbox.quiet()
    await ingest.match(world.ctx)


@pytest.mark.parametrize("tier", Tier)
def test_with_a_window_of_one_a_text_is_sent_part_after_part_each_once(world: World, tier: Tier) -> None:
    async def story(sandbox: EsmeSession) -> None:
        numbers = [f"+25471234{n:04}" for n in range(5)]
        await world.submit(numbers, text=TEXT, tier=tier)
        await world.deliver()
        await until_final(world)
        assert {row.status for row in await world.all("SELECT status FROM messages")} <= {12, 13}
        got = await phones(sandbox)
        assert got == dict.fromkeys(numbers, Phone(ONCE, TEXT, 1))
        assert (await sandbox.stats())["throttled"] == 0
        await until_received(world, sandbox)
        assert {row.status for row in await world.all("SELECT status FROM messages")} == {Status.RECEIVED}

    settings = {"smpp_submit_window": 1, "latency_ms": 10}
    over_sandbox(world, story, settings=settings, window=1)


@pytest.mark.parametrize("tier", Tier)
@pytest.mark.parametrize("ending", ["64", "65"])
def test_a_part_that_is_put_off_comes_again_alone(world: World, ending: str, tier: Tier) -> None:
    async def story(sandbox: EsmeSession) -> None:
        number = f"+2547019900{ending}"
        [message] = (await world.submit(number, text=TEXT, tier=tier)).messages
        await world.deliver()
        row = await world.row(message.id)
        assert (row.status, row.parts_taken, row.doubts) == (11, "101", 0)
        assert (await phones(sandbox))[number].parts == [ONCE[0], ONCE[2]]
        await until_final(world)
        assert await phones(sandbox) == {number: Phone(ONCE, TEXT, 1)}
        await until_received(world, sandbox)
        assert (await world.row(message.id)).status == Status.RECEIVED

    over_sandbox(world, story, settings={})


def test_a_part_that_is_refused_ends_the_message_and_says_how_many_went_out(world: World) -> None:
    async def story(sandbox: EsmeSession) -> None:
        [message] = (await world.submit("+254701990066", text=TEXT)).messages
        await world.deliver()
        row = await world.row(message.id)
        assert (row.status, row.reason) == (38, "ESME_RSUBMITFAIL; 2 of 3 parts went out")

    over_sandbox(world, story, settings={})


@pytest.mark.parametrize(("tier", "status", "taken"), [(Tier.BULK, 39, 1), (Tier.STANDARD, 12, 2)])
def test_only_a_part_without_an_answer_is_sent_again_and_only_if_the_policy_says_so(
    world: World, tier: Tier, status: int, taken: int
) -> None:
    async def story(sandbox: EsmeSession) -> None:
        [message] = (await world.submit("+254701990067", text=TEXT, tier=tier)).messages
        await world.deliver()
        await until_final(world)
        row = await world.row(message.id)
        assert (row.status, row.doubts) == (status, 1)
        assert await phones(sandbox) == {"+254701990067": Phone([ONCE[0], (2, taken, 1), ONCE[2]], TEXT, 1)}

    over_sandbox(world, story, settings={"receipt_delay_ms": 5000})


def test_another_worker_sends_only_what_was_not_taken(world: World) -> None:
    async def story(sandbox: EsmeSession) -> None:
        [message] = (await world.submit("+254701990065", text=TEXT)).messages
        await world.deliver()
        async with bound(world, sandbox.port):
            await until_final(world)
        assert await phones(sandbox) == {"+254701990065": Phone(ONCE, TEXT, 1)}
        assert (await world.row(message.id)).attempt == 2

    over_sandbox(world, story, settings={})


@pytest.mark.parametrize("tier", [Tier.STANDARD, Tier.BULK])
def test_through_an_smsc_that_throttles_one_submit_in_ten_each_part_is_taken_once(
    world: World, tier: Tier
) -> None:
    async def story(sandbox: EsmeSession) -> None:
        numbers = [f"+25471234{n:04}" for n in range(200)]
        await world.submit(numbers, text=TEXT, tier=tier)
        await world.deliver()
        await until_final(world)
        assert await phones(sandbox) == dict.fromkeys(numbers, Phone(ONCE, TEXT, 1))
        assert (await sandbox.stats())["throttled"] > 60

    over_sandbox(world, story, settings={"smpp_throttle_every": 10})


def test_a_text_of_many_parts_goes_on_while_each_attempt_brings_a_part_on(settings: Settings) -> None:
    world = World(settings.model_copy(update={"max_segments": 20}))

    async def story(sandbox: EsmeSession) -> None:
        [message] = (await world.submit(text="y" * 153 * 12)).messages
        await world.deliver()
        await until_final(world)
        row = await world.row(message.id)
        assert (row.status, row.deferrals, row.attempt) == (12, 0, 12)

    over_sandbox(world, story, settings={"smpp_submit_window": 1, "latency_ms": 10})
