"""Receipts without a message are tried again for a day, with growing pauses, and then shown."""

from datetime import timedelta

from dispatcher.domain.delivery.provider import Accepted, ReceiptReport
from dispatcher.domain.messages.status import Status
from dispatcher.service.receipts import ingest, listing
from tests.world import World


async def _listed(world: World, *, waiting: bool = False) -> list[str | None]:
    return [one.ref for one in await listing.unmatched(world.ctx, waiting=waiting, before=None, limit=10)]


async def _report(world: World, ref: str) -> None:
    await ingest.keep(world.ctx, "sim", [ReceiptReport(ref, None, Status.RECEIVED, "DELIVRD")])


def test_a_receipt_without_a_message_waits_a_day_and_is_then_shown(world: World) -> None:
    async def story() -> None:
        await _report(world, "stranger")
        assert (await _listed(world, waiting=True), await _listed(world)) == (["stranger"], [])
        for _ in range(24 * 6 + 1):
            world.time.advance(timedelta(minutes=10))
            await ingest.match(world.ctx)
        assert (await _listed(world, waiting=True), await _listed(world)) == ([], ["stranger"])
        assert await listing.recent_unmatched(world.ctx) == 1

    world.run(story)


def test_the_pause_between_tries_grows_to_ten_minutes(world: World) -> None:
    async def story() -> None:
        await _report(world, "stranger")
        pauses = []
        for _ in range(15):
            await ingest.match(world.ctx)
            [one] = await listing.unmatched(world.ctx, waiting=True, before=None, limit=1)
            assert one.wake_at is not None
            pauses.append(one.wake_at - world.time.now())
            world.time.at = one.wake_at
        assert pauses[:3] == [timedelta(milliseconds=ms) for ms in (250, 500, 1000)]
        assert pauses[-1] == timedelta(minutes=10)
        assert pauses == sorted(pauses)

    world.run(story)


def test_a_page_continues_after_the_page_before_it(world: World) -> None:
    async def story() -> None:
        for n in range(5):
            await _report(world, f"r{n}")
        first = await listing.unmatched(world.ctx, waiting=True, before=None, limit=2)
        rest = await listing.unmatched(world.ctx, waiting=True, before=first[-1].id, limit=10)
        assert [one.ref for one in [*first, *rest]] == ["r4", "r3", "r2", "r1", "r0"]

    world.run(story)


def test_a_receipt_that_found_its_message_is_not_listed(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        await world.deliver()
        await _report(world, f"ref-{message.public_id}-1")
        assert (await _listed(world, waiting=True), await _listed(world)) == ([], [])

    world.run(story)


def test_only_receipts_of_the_last_days_count(world: World) -> None:
    async def story() -> None:
        await _report(world, "stranger")
        world.time.advance(timedelta(days=2))
        await ingest.match(world.ctx)
        assert await listing.recent_unmatched(world.ctx) == 1
        world.time.advance(listing.RECENT)
        assert await listing.recent_unmatched(world.ctx) == 0

    world.run(story)


def test_receipts_about_which_something_was_odd_are_listed_and_counted_matched_or_not(world: World) -> None:
    async def story() -> None:
        world.sim.always(Accepted(("r1",)))
        await world.submit()
        await world.deliver()
        odd = [
            ReceiptReport(ref, None, Status.RECEIVED, remark=f"odd {ref}", reason="DELIVRD")
            for ref in ("r1", "r2")
        ]
        await ingest.keep(world.ctx, "sim", [*odd, ReceiptReport("r3", None, Status.RECEIVED)])
        await ingest.match(world.ctx)
        found = await listing.remarked(world.ctx, before=None, limit=10)
        assert [(one.ref, one.remark, one.message_id) for one in found] == [
            ("r2", "odd r2", None),
            ("r1", "odd r1", 1),
        ]
        assert await listing.recent_remarked(world.ctx) == 2
        world.time.advance(listing.RECENT + timedelta(seconds=1))
        assert await listing.recent_remarked(world.ctx) == 0

    world.run(story)
