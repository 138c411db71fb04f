"""Receipts that fit no message, over the management API."""

from datetime import timedelta

from dispatcher.domain.delivery.provider import ReceiptReport
from dispatcher.domain.messages.status import Status
from dispatcher.service.receipts import ingest
from tests.api.manage.client import ManagementClient, run_with_api
from tests.world import World


def test_receipts_that_fit_no_message_come_the_newest_first(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        for n in range(3):
            await ingest.keep(world.ctx, "sim", [ReceiptReport(f"r{n}", None, Status.FAILED, "UNDELIV")])
        assert await api.pages("/receipts") == [[]]
        waiting = await api.pages("/receipts", verdict="new", limit=2)
        assert [[one["ref"] for one in page] for page in waiting] == [["r2", "r1"], ["r0"]]
        world.time.advance(timedelta(days=2))
        await ingest.match(world.ctx)
        [[one, *_]] = await api.pages("/receipts")
        assert (one["provider"], one["ref"], one["reference"]) == ("sim", "r2", None)
        assert (one["status"], one["reason"], one["tries"], one["wake_at"]) == ("failed", "UNDELIV", 1, None)
        assert await api.pages("/receipts", verdict="new") == [[]]

    run_with_api(world, story)


def test_another_verdict_is_refused(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        assert "verdict" in await api.refused("GET", "/receipts?verdict=moved", 400)

    run_with_api(world, story)
