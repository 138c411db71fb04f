"""Which message a receipt belongs to, when a reference comes again or is written differently."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from dispatcher.domain.delivery.provider import Accepted, ReceiptReport
from dispatcher.domain.messages.status import Status
from dispatcher.service.receipts import ingest, listing
from tests.world import World

HOUR = timedelta(hours=1)
FINAL = [Status.RECEIVED, Status.FAILED]


async def sent(world: World, *refs: str) -> int:
    """Send a message that the provider accepts with these references; return its id."""
    world.sim.always(Accepted(refs))
    [message] = (await world.submit()).messages
    await world.deliver()
    return message.id


async def report(world: World, ref: str | None, status: Status, *, of: int | None = None) -> None:
    reference = None if of is None else str((await world.row(of)).public_id)
    await ingest.keep(world.ctx, "sim", [ReceiptReport(ref, reference, status)])
    await ingest.match(world.ctx)


async def status(world: World, message_id: int) -> Status:
    return Status((await world.row(message_id)).status)


def in_world(story: Callable[[World], Awaitable[None]]) -> Callable[[World], None]:
    def test(world: World) -> None:
        world.run(lambda: story(world))

    return test


@pytest.mark.parametrize("reported", FINAL)
@pytest.mark.parametrize("refs", [("same",), ("same", "other")], ids=["one part", "two parts"])
def test_a_receipt_belongs_to_the_newest_message_with_its_reference(
    world: World, reported: Status, refs: tuple[str, ...]
) -> None:
    async def story() -> None:
        older = await sent(world, *refs)
        world.time.advance(3 * HOUR)
        newer = await sent(world, *refs)
        for ref in refs:
            await report(world, ref, reported)
        assert (await status(world, older), await status(world, newer)) == (Status.SENT, reported)

    world.run(story)


@in_world
async def test_it_belongs_to_an_older_message_whose_time_is_not_over(world: World) -> None:
    alive = await sent(world, "same")
    newer = await sent(world, "SAME")
    timeout = world.ctx.settings.retry_policy.receipt
    await world.all(
        "UPDATE provider_references SET at = at - CAST(:by AS interval) WHERE message_id = :id",
        by=timeout,
        id=newer,
    )
    await report(world, "same", Status.RECEIVED)
    assert (await status(world, alive), await status(world, newer)) == (Status.RECEIVED, Status.SENT)


@in_world
async def test_after_all_times_are_over_it_belongs_to_the_newest(world: World) -> None:
    older = await sent(world, "same")
    newer = await sent(world, "same")
    world.time.advance(world.ctx.settings.retry_policy.receipt + HOUR)
    await report(world, "same", Status.RECEIVED)
    assert (await status(world, older), await status(world, newer)) == (Status.SENT, Status.RECEIVED)


@pytest.mark.parametrize("reported", FINAL)
def test_our_own_reference_wins_and_the_disagreement_is_listed(world: World, reported: Status) -> None:
    async def story() -> None:
        named = await sent(world, "a")
        other = await sent(world, "b")
        await report(world, "b", reported, of=named)
        assert (await status(world, named), await status(world, other)) == (reported, Status.SENT)
        [found] = await listing.remarked(world.ctx, before=None, limit=10)
        assert found.remark == f"our reference names message {named}, the provider's {other}"
        assert found.message_id == named
        assert await listing.recent_remarked(world.ctx) == 1

    world.run(story)


@in_world
async def test_our_own_reference_decides_between_messages_with_the_same_one_of_the_provider(
    world: World,
) -> None:
    older, newer = await sent(world, "same"), await sent(world, "same")
    await report(world, "same", Status.RECEIVED, of=older)
    assert (await status(world, older), await status(world, newer)) == (Status.RECEIVED, Status.SENT)
    assert await listing.recent_remarked(world.ctx) == 0


@in_world
async def test_a_receipt_of_another_provider_with_the_same_reference_does_not_count(world: World) -> None:
    message = await sent(world, "same")
    await ingest.keep(world.ctx, "other", [ReceiptReport("same", None, Status.FAILED)])
    await ingest.match(world.ctx)
    assert await status(world, message) is Status.SENT


@pytest.mark.parametrize("ref", ["ab-cd", "AB-CD", "aB-Cd"])
def test_a_reference_in_another_case_is_the_same(world: World, ref: str) -> None:
    async def story() -> None:
        message = await sent(world, "Ab-cD")
        await report(world, ref, Status.RECEIVED)
        assert await status(world, message) is Status.RECEIVED

    world.run(story)


@in_world
async def test_of_two_references_that_differ_in_case_each_finds_its_own_message(world: World) -> None:
    messages = {ref: await sent(world, ref) for ref in ("aB-1", "Ab-1", "ab-1")}
    for ref, status_ in zip(messages, (Status.RECEIVED, Status.FAILED, Status.TOO_LATE), strict=True):
        await report(world, ref, status_)
        assert await status(world, messages[ref]) is status_


@in_world
async def test_parts_whose_references_are_in_another_case_complete_their_message(
    world: World,
) -> None:
    message = await sent(world, "Xa", "Xb")
    await report(world, "XA", Status.RECEIVED)
    assert await status(world, message) is Status.SENT
    await report(world, "xB", Status.RECEIVED)
    assert await status(world, message) is Status.RECEIVED


@in_world
async def test_a_failure_under_a_reference_that_a_resend_got_again_counts(world: World) -> None:
    message = await sent(world, "same")
    await world.all(
        "INSERT INTO provider_references (provider, ref, message_id, attempt, part, at) "
        "SELECT provider, ref, message_id, 2, part, at FROM provider_references"
    )
    await world.all("UPDATE messages SET attempt = 2")
    await report(world, "same", Status.FAILED)
    assert await status(world, message) is Status.FAILED
