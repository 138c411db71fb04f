"""The recorder: it loses no outcome, and when it is behind, a worker claims nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from structlog.testing import capture_logs

from dispatcher.domain.delivery.message import Attempt
from dispatcher.domain.delivery.provider import Accepted
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.tier import Tier
from dispatcher.service.delivery import recorder as recording
from dispatcher.store import silent_peers
from tests.silent_proxy import silent_postgres
from tests.world import World


@pytest.fixture(autouse=True)
def _slow_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the recorder write each outcome by itself, and be behind after a fifth of a second."""
    monkeypatch.setattr(recording, "_BEHIND", timedelta(seconds=0.2))
    monkeypatch.setattr(recording, "_ROWS", 1)


@asynccontextmanager
async def _locked(world: World, message_id: int) -> AsyncIterator[None]:
    """Lock a message's row: the write of its outcome takes as long as this block."""
    async with world.ctx.database._engine.begin() as connection:
        await connection.execute(text("SELECT 1 FROM messages WHERE id = :id FOR UPDATE"), {"id": message_id})
        yield


async def _accepted(world: World) -> Attempt:
    """Claim a new message, and return an accepted attempt."""
    [message] = (await world.submit()).messages
    return Attempt(
        message_id=message.id,
        attempt=await world.claim(message.id),
        tier=Tier.STANDARD,
        not_after=world.time.now() + timedelta(hours=1),
        deferrals=0,
        doubts=0,
        provider="sim",
        outcome=Accepted(()),
    )


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.005)


def test_the_recorder_is_behind_while_any_outcome_is_too_old(world: World) -> None:
    async def story() -> None:
        first, second = await _accepted(world), await _accepted(world)
        async with world.worker() as worker, _locked(world, second.message_id):
            recorder = worker.recorder
            async with _locked(world, first.message_id):
                recorder.put(first)
                recorder.put(second)
                assert not recorder.is_behind
                await _until(lambda: recorder.is_behind)
            await _until(lambda: recorder.waiting == 1)
            assert recorder.is_behind
        assert not recorder.is_behind
        for tried in (first, second):
            assert (await world.row(tried.message_id)).status == Status.SENT

    world.run(story)


def test_a_worker_claims_nothing_while_its_recorder_is_behind(world: World) -> None:
    async def story() -> None:
        first, second = await _accepted(world), await _accepted(world)
        [waiting] = (await world.submit()).messages
        async with world.worker() as worker, _locked(world, second.message_id):
            async with _locked(world, first.message_id):
                worker.recorder.put(first)
                worker.recorder.put(second)
                await _until(lambda: worker.recorder.is_behind)
            await _until(lambda: worker.recorder.waiting == 1)
            await worker.deliver([waiting.id])
            row = await world.row(waiting.id)
            assert (row.place, row.attempt, world.sim.seen) == (Place.LANE, 0, [])
        async with world.worker() as worker:
            await worker.deliver([waiting.id])
        assert (await world.row(waiting.id)).status == Status.SENT

    world.run(story)


def test_outcomes_wait_while_postgres_is_away_and_are_written_when_it_is_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("IN_USE", "PING"):
        monkeypatch.setattr(silent_peers, limit, timedelta(seconds=0.3))

    async def story() -> None:
        database_url = world.settings.database_url.get_secret_value()
        async with silent_postgres(database_url) as (proxy, behind):
            world.settings = world.settings.model_copy(update={"database_url": SecretStr(behind)})
            async with world.open():
                await world.create_account()
                attempts = [await _accepted(world), await _accepted(world)]
                async with world.worker() as worker:
                    with capture_logs() as lines:
                        proxy.silence(for_new=True)
                        for attempt in attempts:
                            worker.recorder.put(attempt)
                        await _until(lambda: [line["event"] for line in lines].count("outcomes_waiting") > 1)
                    assert worker.recorder.waiting == 2
                    proxy.hear()
                for attempt in attempts:
                    assert (await world.row(attempt.message_id)).status == Status.SENT

    asyncio.run(story())
