"""The road of a message through the services, step by step."""

from datetime import timedelta

from dispatcher.domain.provider import Deferred, Rejected, Unknown, Unsent
from dispatcher.domain.status import Status
from dispatcher.domain.tier import Tier
from dispatcher.service import receipts, withdraw
from dispatcher.domain.provider import ReceiptRequest
from tests.world import World

SECOND = timedelta(seconds=1)


def test_a_message_due_now_goes_to_its_lane_and_out(world: World) -> None:
    async def story() -> None:
        batch = await world.submit()
        assert await world.balance() == 9_999
        message_id = batch.messages[0].id
        await world.deliver()
        row = await world.row(message_id)
        assert (row.status, row.place) == (Status.SENT, None)
        ref = f"ref-{row.public_id}-1"
        await receipts.take_in(world.ctx, "sim", ReceiptRequest("POST", {}, {}, f"{ref}=13".encode()))
        await receipts.match(world.ctx)
        assert await world.events(message_id) == [
            (11, "accepted"),
            (12, "accepted"),
            (13, "told by a receipt"),
        ]

    world.run(story)
