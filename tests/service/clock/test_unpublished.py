"""What is known not to have reached Redis is ready at once, and is offered again as soon as Redis is back."""

import asyncio
import time
from functools import partial
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from dispatcher.bootstrap import open_context
from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.errors import Unavailable
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.messages.submission import Submission
from dispatcher.domain.numbers.msisdn import NumberPolicy
from dispatcher.domain.tier import Tier
from dispatcher.sandbox.provider_options import http_options
from dispatcher.service.accounts import accounts
from dispatcher.service.clock.unpublished import UnpublishedMessages
from dispatcher.service.context import Context
from dispatcher.service.database import Database
from dispatcher.service.submissions.submit import submit
from dispatcher.settings import Settings
from dispatcher.store.engine import open_engine
from tests.silent_proxy import silent_proxy
from tests.world import World


def _unpublished(world: World) -> UnpublishedMessages:
    return UnpublishedMessages(world.ctx.database, world.time)


@pytest.mark.parametrize("tier", list(Tier))
def test_an_unpublished_message_is_ready_at_once_and_then_in_its_lane_again(world: World, tier: Tier) -> None:
    async def story() -> None:
        unpublished = _unpublished(world)
        [message] = (await world.submit(tier=tier)).messages
        assert world.lanes.take() == [message.id]
        unpublished.add([message.id])
        assert await unpublished.make_ready() == 1
        row = await world.row(message.id)
        assert (row.status, row.place) == (Status.PENDING, Place.READY)
        await world.clock.fill()
        assert world.lanes.published == [(tier, message.id)]
        assert await unpublished.make_ready() == 0

    world.run(story)


def test_a_message_that_was_published_after_all_is_sent_once(world: World) -> None:
    """Only the answer of Redis was lost: two lane tasks have its id."""

    async def story() -> None:
        unpublished = _unpublished(world)
        [message] = (await world.submit()).messages
        unpublished.add([message.id])
        await unpublished.make_ready()
        await world.clock.fill()
        assert world.lanes.take() == [message.id] * 2
        async with world.worker() as worker:
            await asyncio.gather(worker.deliver([message.id]), worker.deliver([message.id]))
        assert len(world.sim.seen) == 1
        assert (await world.row(message.id)).status == Status.SENT

    world.run(story)


def test_a_message_that_a_worker_has_or_that_is_sent_stays_what_it_is(world: World) -> None:
    async def story() -> None:
        unpublished = _unpublished(world)
        [claimed], [sent] = [(await world.submit(f"+25471200000{n}")).messages for n in range(2)]
        await world.deliver([sent.id])
        await world.claim(claimed.id)
        rows = [await world.row(claimed.id), await world.row(sent.id)]
        unpublished.add([claimed.id, sent.id])
        assert await unpublished.make_ready() == 2
        assert [await world.row(claimed.id), await world.row(sent.id)] == rows

    world.run(story)


def test_while_redis_takes_no_writes_lanes_are_not_filled(world: World) -> None:
    """What is due stays ready, where it can be counted and cancelled, and goes out when Redis is back."""

    async def story() -> None:
        unpublished = _unpublished(world)
        [message] = (await world.submit()).messages
        unpublished.add(world.lanes.take())
        await unpublished.make_ready()
        world.lanes.reachable = False
        assert await world.clock.fill() == 0
        assert (await world.row(message.id)).place == Place.READY
        world.lanes.reachable = True
        assert await world.clock.fill() == 1
        assert world.lanes.take() == [message.id]

    world.run(story)


def test_without_postgres_the_ids_are_kept(world: World) -> None:
    async def story() -> None:
        away = Database(open_engine("postgresql+psycopg://nobody@127.0.0.1:1/none", pool_size=1, name="test"))
        unpublished = UnpublishedMessages(away, world.time)
        unpublished.add([1, 2])
        for _ in range(2):
            with pytest.raises(Unavailable):
                await unpublished.make_ready()
        await unpublished.close()
        await away.close()

    world.run(story)


def _settings(settings: Settings, *, redis_url: str) -> Settings:
    options = http_options(
        "http://127.0.0.1:1", receipt_url="http://127.0.0.1:1", receipt_secret="a secret for tests"
    )
    provider = {"name": "first", "plugin": "http", "options": options, "tps": 10, "takes": "both"}
    return Settings(database_url=settings.database_url, redis_url=redis_url, providers=[provider])


async def _submit_two(ctx: Context) -> list[int]:
    """Submit a message of each tier whose requeue takes long; return their ids."""
    account = await accounts.create(ctx, "shop", credits=100, country="KE")
    await accounts.add_sender(ctx, account, "SHOP")
    caller, ids = Caller(account, "test"), []
    for tier in (Tier.STANDARD, Tier.BULK):
        submission = Submission(recipients=["+254712345678"], text="Hello", numbers=NumberPolicy(), tier=tier)
        ids += [message.id for message in (await submit(ctx, caller, submission)).messages]
    return ids


@pytest.mark.parametrize("is_silent", [False, True])
def test_what_a_process_cannot_publish_is_ready_within_seconds(settings: Settings, is_silent: bool) -> None:
    """Redis refuses connections, or is silent; requeue would find the messages after 30 s."""

    async def story() -> None:
        url = urlsplit(settings.redis_url.get_secret_value())
        async with silent_proxy(partial(asyncio.open_connection, url.hostname, url.port)) as (proxy, port):
            proxy.silence(for_new=True)
            away = _settings(settings, redis_url=f"redis://127.0.0.1:{port if is_silent else 1}/0")
            async with open_context(away, name="test") as ctx:
                ids = await _submit_two(ctx)
                began = time.monotonic()
                while await _places(ctx, ids) != {Place.READY}:
                    assert time.monotonic() - began < 10
                    await asyncio.sleep(0.05)

    asyncio.run(story())


def test_what_a_process_cannot_publish_before_it_ends_is_ready_too(settings: Settings) -> None:
    async def story() -> None:
        async with open_context(_settings(settings, redis_url="redis://127.0.0.1:1/0"), name="test") as ctx:
            ids = await _submit_two(ctx)
        async with open_context(settings, name="test") as ctx:
            assert await _places(ctx, ids) == {Place.READY}

    asyncio.run(story())


async def _places(ctx: Context, ids: list[int]) -> set[str]:
    query = text("SELECT place FROM messages WHERE id = ANY(:ids)")
    return {row.place for row in await ctx.database.single(lambda c: c.execute(query, {"ids": ids}))}
