"""Opt-outs: applied when a message is accepted, and again when it is due."""

from datetime import timedelta

import pytest

from dispatcher.domain.errors import Invalid, NotFound
from dispatcher.domain.messages.status import Status
from dispatcher.service.accounts import accounts, opt_outs
from tests.world import NUMBER, World

OTHER = "+254712345679"
HOUR = timedelta(hours=1)


def test_a_number_that_opted_out_is_refused_as_26_free_and_the_rest_of_its_batch_is_sent(
    world: World,
) -> None:
    async def story() -> None:
        assert await opt_outs.add(world.ctx, world.caller.account, ["0712 345 678", NUMBER]) == 1
        batch = await world.submit([NUMBER, OTHER])
        assert [m.status for m in batch.messages] == [Status.OPTED_OUT, Status.PENDING]
        assert batch.charged == 1

    world.run(story)


def test_a_number_that_opts_out_later_gets_26_and_its_credits_back(world: World) -> None:
    async def story() -> None:
        batch = await world.submit([NUMBER, OTHER], after=HOUR)
        await opt_outs.add(world.ctx, world.caller.account, [NUMBER])
        world.time.advance(HOUR)
        await world.clock.release()
        await world.clock.fill()
        await world.deliver()
        statuses = [(await world.row(m.id)).status for m in batch.messages]
        assert statuses == [Status.OPTED_OUT, Status.SENT]
        assert [seen.to for seen in world.sim.seen] == [OTHER]
        assert await world.balance() == 9_999

    world.run(story)


def test_an_opt_out_of_one_sender_does_not_affect_the_others(world: World) -> None:
    async def story() -> None:
        second = await accounts.add_sender(world.ctx, world.caller.account, "NEWS")
        await opt_outs.add(world.ctx, world.caller.account, [NUMBER], sender="NEWS")
        assert (await world.submit(sender_id=second)).messages[0].status is Status.OPTED_OUT
        assert (await world.submit()).messages[0].status is Status.PENDING

    world.run(story)


def test_an_opt_out_of_another_account_has_no_effect(world: World) -> None:
    async def story() -> None:
        other = await world.another_account("other")
        await opt_outs.add(world.ctx, other.account, [NUMBER])
        assert (await world.submit()).messages[0].status is Status.PENDING

    world.run(story)


def test_an_opt_out_of_another_account_or_sender_has_no_effect_when_a_message_is_due(world: World) -> None:
    async def story() -> None:
        await accounts.add_sender(world.ctx, world.caller.account, "NEWS")
        [message] = (await world.submit()).messages
        await opt_outs.add(world.ctx, (await world.another_account("other")).account, [NUMBER])
        await opt_outs.add(world.ctx, world.caller.account, [NUMBER], sender="NEWS")
        await world.deliver()
        assert (await world.row(message.id)).status == Status.SENT

    world.run(story)


def test_messages_to_a_number_are_sent_again_after_its_opt_out_is_removed(world: World) -> None:
    async def story() -> None:
        await opt_outs.add(world.ctx, world.caller.account, [NUMBER], reason="asked by phone")
        [entry] = await opt_outs.page(world.ctx, world.caller.account)
        assert (entry.number, entry.reason, entry.sender) == (NUMBER, "asked by phone", None)
        await opt_outs.remove(world.ctx, world.caller.account, NUMBER)
        assert (await world.submit()).messages[0].status is Status.PENDING
        with pytest.raises(NotFound):
            await opt_outs.remove(world.ctx, world.caller.account, NUMBER)

    world.run(story)


def test_invalid_numbers_and_unknown_senders_are_refused_and_change_nothing(world: World) -> None:
    async def story() -> None:
        with pytest.raises(Invalid):
            await opt_outs.add(world.ctx, world.caller.account, [NUMBER, "nonsense"])
        with pytest.raises(NotFound):
            await opt_outs.add(world.ctx, world.caller.account, [NUMBER], sender="NOBODY")
        assert await opt_outs.page(world.ctx, world.caller.account) == []

    world.run(story)
