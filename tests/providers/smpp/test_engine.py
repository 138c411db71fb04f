"""From a lane to an SMSC: the worker with the provider's outcomes and batches."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from dispatcher.domain.delivery.provider import ProviderConfig, Traffic
from dispatcher.domain.messages.status import Status
from dispatcher.providers.smpp import SmppProvider
from dispatcher.service.context import ConfiguredProvider
from dispatcher.smpp.constants import Command, CommandStatus
from tests.providers.smpp.smsc import PASSWORD, Script, Smsc, an_smsc, refuse
from tests.world import World

Story = Callable[[Smsc], Awaitable[None]]


async def over_smpp(world: World, story: Story, script: dict[int, Script] | None = None) -> None:
    """Run a story in which SMPP is the only provider."""
    async with an_smsc(script) as smsc:
        options = {"host": "127.0.0.1", "port": smsc.port, "system_id": "us", "password": PASSWORD}
        config = ProviderConfig("sim", "smpp", options, tps=10_000, takes=Traffic.BOTH)
        provider = SmppProvider(config)
        world.ctx = replace(world.ctx, providers={"sim": ConfiguredProvider(config, provider)})
        try:
            await story(smsc)
        finally:
            await provider.close()


async def statuses(world: World) -> list[tuple[int, int]]:
    rows = await world.all("SELECT status, count(*) AS n FROM messages GROUP BY status ORDER BY status")
    return [(row.status, row.n) for row in rows]


def test_a_lane_task_is_sent_and_each_part_has_its_reference(world: World) -> None:
    async def story(smsc: Smsc) -> None:
        numbers = [f"+25471234{n:04}" for n in range(120)]
        await world.submit(numbers, text="x" * 200)
        await world.deliver()
        assert await statuses(world) == [(Status.SENT, 120)]
        assert len(smsc.submits) == 240
        assert {f"+{sm.destination.value}" for sm in smsc.submits} == set(numbers)
        rows = await world.all(
            "SELECT message_id, count(*) AS n FROM provider_references GROUP BY message_id"
        )
        assert {row.n for row in rows} == {2}

    world.run(lambda: over_smpp(world, story))


def test_after_a_refused_bind_messages_are_unsent_with_its_reason(world: World) -> None:
    async def story(smsc: Smsc) -> None:
        batch = await world.submit()
        await world.deliver()
        assert await statuses(world) == [(Status.PENDING, 1)]
        (_, reason), *_ = reversed(await world.events(batch.messages[0].id))
        assert reason == "not bound: the SMSC refused the bind: ESME_RINVPASWD"

    script: dict[int, Script] = {Command.BIND_TRANSMITTER: refuse(CommandStatus.ESME_RINVPASWD)}
    world.run(lambda: over_smpp(world, story, script))
