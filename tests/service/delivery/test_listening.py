"""Providers that report over our connections: their reports are stored, or must be sent again."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from dispatcher.bootstrap import celery_app
from dispatcher.domain.delivery.provider import ProviderConfig, ReceiptReport, ReportHandler
from dispatcher.domain.errors import Unavailable
from dispatcher.domain.messages.status import Status
from dispatcher.service.receipts import ingest
from dispatcher.service.receipts.ingest import ReceiptMatcher
from dispatcher.settings import ProviderSettings, Settings
from tests.world import ScriptedProvider, World
from workers.own_queue import OwnQueue
from workers.process import opener

SOON = 10


@dataclass
class ListeningProvider(ScriptedProvider):
    """Reports what the test passes to `report`."""

    report: ReportHandler | None = None

    def listen(self, report: ReportHandler) -> None:
        assert self.report is None, "listen is called once"
        self.report = report


@pytest.fixture
def sim() -> ListeningProvider:
    """Return the provider of the world, which reports by itself."""
    return ListeningProvider()


@pytest.fixture
def world(settings: Settings, sim: ListeningProvider) -> World:
    """Return a dispatcher whose only provider reports by itself."""
    world = World(settings)
    world.providers["sim"] = sim
    return world


@asynccontextmanager
async def _listening(world: World) -> AsyncIterator[None]:
    matcher = ReceiptMatcher(world.ctx)
    assert ingest.listen(world.ctx, matcher)
    matching = asyncio.create_task(matcher.run())
    yield
    matching.cancel()


async def _becomes(world: World, message_id: int, status: int) -> None:
    async with asyncio.timeout(SOON):
        while (await world.row(message_id)).status != status:
            pass


def _delivered(ref: str) -> ReceiptReport:
    return ReceiptReport(ref=ref, reference=None, status=Status.RECEIVED)


def test_a_report_has_changed_its_message_when_the_handler_returns(
    world: World, sim: ListeningProvider
) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        await world.deliver()
        async with _listening(world):
            assert sim.report is not None
            await sim.report([_delivered(f"ref-{message.public_id}-1")])
            assert (await world.row(message.id)).status == 13

    world.run(story)


def test_a_report_before_the_outcome_is_recorded_is_matched_soon_after(
    world: World, sim: ListeningProvider
) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        async with _listening(world):
            assert sim.report is not None
            await sim.report([_delivered(f"ref-{message.public_id}-1")])
            await world.deliver()
            world.time.advance(ingest.KEEP_TRYING / 2)
            await sim.report([_delivered("another")])  # the next receipt notifies the matcher
            await _becomes(world, message.id, 13)

    world.run(story)


def test_a_report_that_cannot_be_stored_now_must_be_sent_again(
    settings: Settings, sim: ListeningProvider
) -> None:
    away = World(
        settings.model_copy(update={"database_url": SecretStr("postgresql://nobody@127.0.0.1:1/none")})
    )
    away.providers["sim"] = sim

    async def story() -> None:
        async with _listening(away):
            assert sim.report is not None
            with pytest.raises(Unavailable):
                await sim.report([_delivered("r1")])

    away.run_without_account(story)


def test_a_report_that_can_never_be_stored_does_not_affect_the_others(
    world: World, sim: ListeningProvider
) -> None:
    async def story() -> None:
        async with _listening(world):
            assert sim.report is not None
            await sim.report([_delivered("a\x00b"), _delivered("r1")])
            assert [row.ref for row in await world.all("SELECT ref FROM receipts")] == ["r1"]

    world.run(story)


def test_listening_is_off_if_no_provider_sends_reports(settings: Settings) -> None:
    world = World(settings)

    async def story() -> None:
        assert not ingest.listen(world.ctx, ReceiptMatcher(world.ctx))

    world.run(story)


MADE: list["InstalledProvider"] = []


class InstalledProvider(ListeningProvider):
    """The plug-in that the entry point below names."""

    def __init__(self, config: ProviderConfig) -> None:
        super().__init__()
        MADE.append(self)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProviderSettings:
    """Install a plug-in as a package would, and return the settings of a provider that uses it."""
    folder = tmp_path / "listening-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: listening\nVersion: 1.0\n")
    target = f"{__name__}:{InstalledProvider.__name__}"
    (folder / "entry_points.txt").write_text(f"[sms_dispatcher.providers]\nlistening = {target}\n")
    monkeypatch.syspath_prepend(os.fspath(tmp_path))
    MADE.clear()
    return ProviderSettings(name="phone", plugin="listening")


def _in_a_worker(
    settings: Settings, queues: Sequence[str], look: Callable[[InstalledProvider], object]
) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            await opener(settings, frozenset(queues), OwnQueue(celery_app(settings)))(stack)
            [provider] = MADE
            found = look(provider)
            if asyncio.iscoroutine(found):
                await found

    thresholds = gc.get_threshold()
    try:
        asyncio.run(main())
    finally:  # a worker settles its memory, which this process does not want
        gc.unfreeze()
        gc.set_threshold(*thresholds)


@pytest.mark.parametrize("queue", ["critical", "standard", "bulk"])
def test_a_worker_that_sends_listens_and_matches_by_itself(
    world: World, installed: ProviderSettings, queue: str
) -> None:
    settings = world.settings.model_copy(update={"providers": (installed,)})

    async def receive(provider: InstalledProvider) -> None:
        async with world.open():
            assert provider.report is not None
            await provider.report([_delivered("r1")])
            async with asyncio.timeout(SOON):  # only the worker's own matcher can match it
                while not (await world.one("SELECT tries FROM receipts")).tries:
                    pass

    _in_a_worker(settings, [queue], receive)


@pytest.mark.parametrize("queue", ["clock", "system"])
def test_a_worker_that_does_not_send_does_not_listen(
    world: World, installed: ProviderSettings, queue: str
) -> None:
    settings = world.settings.model_copy(update={"providers": (installed,)})

    def look(provider: InstalledProvider) -> None:
        assert provider.report is None

    _in_a_worker(settings, [queue], look)
