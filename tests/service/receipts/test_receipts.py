"""Receipts: none is lost in any order, and a repeated one changes nothing."""

from datetime import timedelta

import pytest

from dispatcher.domain.delivery.provider import Accepted, Deferred, ReceiptReport, ReceiptRequest, Unknown
from dispatcher.domain.errors import BadReceipt, NotFound
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.tier import Tier
from dispatcher.service.receipts import ingest
from tests.world import World

SECOND = timedelta(seconds=1)
DELIVERED = Status.RECEIVED


async def _report(
    world: World, status: Status | None, *, ref: str | None = None, reference: object = None
) -> None:
    report = ReceiptReport(ref=ref, reference=None if reference is None else str(reference), status=status)
    await ingest.keep(world.ctx, "sim", [report])
    await ingest.match(world.ctx)


async def _sent(world: World, *refs: str, tier: Tier = Tier.STANDARD) -> int:
    world.sim.always(Accepted(refs))
    [message] = (await world.submit(tier=tier)).messages
    await world.deliver()
    return message.id


async def _status(world: World, message_id: int) -> int:
    return int((await world.row(message_id)).status)


def test_a_delivery_receipt_changes_sent_to_received(world: World) -> None:
    async def story() -> None:
        message_id = await _sent(world, "r1")
        await _report(world, DELIVERED, ref="r1")
        assert await _status(world, message_id) == 13
        assert (await world.one("SELECT verdict, message_id FROM receipts")) == ("moved", message_id)

    world.run(story)


def test_a_repeated_receipt_changes_nothing(world: World) -> None:
    async def story() -> None:
        message_id = await _sent(world, "r1")
        for _ in range(3):
            await _report(world, DELIVERED, ref="r1")
        assert [status for status, _ in await world.events(message_id)] == [11, 12, 13]

    world.run(story)


def test_repeated_receipts_in_one_batch_change_nothing(world: World) -> None:
    async def story() -> None:
        message_id = await _sent(world, "r1")
        await ingest.keep(world.ctx, "sim", [ReceiptReport(ref="r1", reference=None, status=DELIVERED)] * 3)
        assert [row.verdict for row in await world.all("SELECT verdict FROM receipts ORDER BY id")] == [
            "moved",
            "noted",
            "noted",
        ]
        assert [status for status, _ in await world.events(message_id)] == [11, 12, 13]

    world.run(story)


def test_all_receipts_of_a_large_request_are_stored_and_applied(world: World) -> None:
    async def story() -> None:
        message_id = await _sent(world, "r1")
        reports = [ReceiptReport(f"stranger-{n}", None, DELIVERED) for n in range(2 * ingest.BATCH)]
        reports.append(ReceiptReport(ref="r1", reference=None, status=DELIVERED))
        assert (await ingest.keep(world.ctx, "sim", reports)).count == len(reports)
        assert (await world.one("SELECT count(*) AS n FROM receipts")).n == len(reports)
        assert await _status(world, message_id) == 13

    world.run(story)


def test_a_receipt_before_the_outcome_is_recorded_counts_as_the_acceptance(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        await world.claim(message.id)
        await _report(world, DELIVERED, ref="r1", reference=message.public_id)
        assert await world.events(message.id) == [
            (11, "accepted"),
            (12, "its receipt says so"),
            (13, "reported by a receipt"),
        ]
        assert (await world.row(message.id)).place is None

    world.run(story)


def test_a_receipt_with_a_reference_not_recorded_yet_waits_for_the_record(world: World) -> None:
    async def story() -> None:
        world.sim.always(Accepted(("r1",)))
        [message] = (await world.submit()).messages
        await _report(world, DELIVERED, ref="r1")
        assert (await world.one("SELECT verdict FROM receipts")).verdict == "new"
        await world.deliver()
        world.time.advance(SECOND)
        await ingest.match(world.ctx)
        assert await _status(world, message.id) == 13

    world.run(story)


def test_a_receipt_with_an_unknown_reference_is_given_up_after_a_day_and_shown(world: World) -> None:
    async def story() -> None:
        await _report(world, DELIVERED, ref="stranger")
        for _ in range(300):
            world.time.advance(timedelta(minutes=10))
            await ingest.match(world.ctx)
        row = await world.one("SELECT verdict, wake_at, tries FROM receipts")
        assert (row.verdict, row.wake_at) == ("unknown", None)
        assert row.tries < 200

    world.run(story)


@pytest.mark.parametrize(("after", "status"), [(timedelta(hours=1), 10), (None, 11)], ids=["early", "due"])
def test_a_receipt_for_a_message_that_was_never_tried_changes_nothing(
    world: World, after: timedelta | None, status: int
) -> None:
    async def story() -> None:
        [message] = (await world.submit(after=after)).messages
        await _report(world, DELIVERED, reference=message.public_id)
        assert await _status(world, message.id) == status

    world.run(story)


def test_an_intermediate_receipt_is_stored_and_changes_nothing(world: World) -> None:
    async def story() -> None:
        message_id = await _sent(world, "r1")
        await _report(world, None, ref="r1")
        assert await _status(world, message_id) == 12
        assert (await world.one("SELECT verdict FROM receipts")).verdict == "noted"

    world.run(story)


def test_a_message_is_received_only_when_all_its_parts_are_delivered(world: World) -> None:
    async def story() -> None:
        message_id = await _sent(world, "p1", "p2", "p3")
        for ref in ("p2", "p1"):
            await _report(world, DELIVERED, ref=ref)
        assert await _status(world, message_id) == 12
        await _report(world, DELIVERED, ref="p3")
        assert await _status(world, message_id) == 13

    world.run(story)


@pytest.mark.parametrize("failure", [Status.TOO_LATE, Status.FAILED])
def test_a_late_delivery_replaces_a_failure_and_both_are_events(world: World, failure: Status) -> None:
    async def story() -> None:
        message_id = await _sent(world, "r1")
        await _report(world, failure, ref="r1")
        await _report(world, DELIVERED, ref="r1")
        assert [status for status, _ in await world.events(message_id)] == [11, 12, failure, 13]

    world.run(story)


def test_a_failure_after_the_delivery_changes_nothing(world: World) -> None:
    async def story() -> None:
        message_id = await _sent(world, "r1")
        await _report(world, DELIVERED, ref="r1")
        await _report(world, Status.FAILED, ref="r1")
        assert await _status(world, message_id) == 13

    world.run(story)


def test_a_failure_of_an_earlier_attempt_does_not_count(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        await world.claim(message.id, lease=SECOND)
        await world.all("INSERT INTO provider_references VALUES ('sim', 'first', 1, 1, 1, NULL, now())")
        for _ in range(3):
            world.time.advance(timedelta(seconds=30))
            await world.clock.rescue()
            await world.clock.release()
            await world.clock.fill()
        world.sim.always(Accepted(("second",)))
        await world.deliver()
        await _report(world, Status.FAILED, ref="first")
        assert await _status(world, message.id) == 12
        await _report(world, DELIVERED, ref="first")
        assert await _status(world, message.id) == 13

    world.run(story)


def test_a_receipt_ends_the_doubt_before_a_resend(world: World) -> None:
    async def story() -> None:
        world.sim.always(Unknown("no answer"))
        [message] = (await world.submit()).messages
        await world.deliver()
        assert (await world.row(message.id)).place == Place.HELD
        await _report(world, DELIVERED, reference=message.public_id)
        world.time.advance(timedelta(minutes=5))
        assert await world.clock.release() == 0
        assert await _status(world, message.id) == 13
        assert len(world.sim.seen) == 1

    world.run(story)


def test_a_late_delivery_replaces_39(world: World) -> None:
    async def story() -> None:
        world.sim.always(Unknown("no answer"))
        [message] = (await world.submit(tier=Tier.BULK)).messages
        await world.deliver()
        assert await _status(world, message.id) == 39
        await _report(world, DELIVERED, reference=message.public_id)
        assert await _status(world, message.id) == 13

    world.run(story)


def test_a_receipt_never_changes_a_cancelled_message(world: World) -> None:
    async def story() -> None:
        world.sim.always(Deferred("busy", after=SECOND))
        [message] = (await world.submit(until=timedelta(minutes=1))).messages
        await world.deliver()
        world.time.advance(timedelta(minutes=1))
        await world.clock.expire()
        await _report(world, DELIVERED, reference=message.public_id)
        assert await _status(world, message.id) == 27

    world.run(story)


def test_a_receipt_that_cannot_be_read_or_has_no_provider_is_refused(world: World) -> None:
    async def story() -> None:
        with pytest.raises(BadReceipt):
            await ingest.receive(world.ctx, "sim", ReceiptRequest("POST", {}, {}, b"?"))
        with pytest.raises(NotFound):
            await ingest.receive(world.ctx, "nobody", ReceiptRequest("POST", {}, {}, b"?"))
        assert await world.all("SELECT 1 FROM receipts") == []

    world.run(story)
