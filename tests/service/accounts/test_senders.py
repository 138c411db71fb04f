"""Senders: one default for an account, and a disabled one is not used."""

import asyncio
from datetime import timedelta

import pytest

from dispatcher.domain.errors import Conflict, NotFound
from dispatcher.domain.messages.status import Status
from dispatcher.service.accounts import accounts
from tests.world import World

HOUR = timedelta(hours=1)


def test_concurrent_changes_leave_one_default(world: World) -> None:
    async def story() -> None:
        account = world.caller.account
        made = [await accounts.add_sender(world.ctx, account, name) for name in ("A", "B", "C")]
        await asyncio.gather(*(accounts.make_default_sender(world.ctx, account, i) for i in made * 3))
        defaults = [
            sender.id for sender in await accounts.list_senders(world.ctx, account) if sender.is_default
        ]
        assert len(defaults) == 1
        assert defaults[0] in made

    world.run(story)


def test_a_disabled_sender_cannot_become_the_default_and_the_old_one_stays(world: World) -> None:
    async def story() -> None:
        account = world.caller.account
        news = await accounts.add_sender(world.ctx, account, "NEWS")
        await accounts.disable_sender(world.ctx, account, news)
        with pytest.raises(Conflict, match="is disabled"):
            await accounts.make_default_sender(world.ctx, account, news)
        with pytest.raises(NotFound):
            await accounts.make_default_sender(world.ctx, account, 99)
        senders = {s.id: s.is_default for s in await accounts.list_senders(world.ctx, account)}
        assert senders == {world.sender_id: True, news: False}

    world.run(story)


def test_disabling_twice_keeps_the_first_time_and_enabling_removes_it(world: World) -> None:
    async def story() -> None:
        account, at = world.caller.account, world.time.now()
        await accounts.disable_sender(world.ctx, account, world.sender_id)
        world.time.advance(HOUR)
        twice = await accounts.disable_sender(world.ctx, account, world.sender_id)
        assert twice.disabled_at == at
        enabled = await accounts.disable_sender(world.ctx, account, world.sender_id, disabled=False)
        assert (enabled.disabled_at, enabled.is_default) == (None, True)

    world.run(story)


def test_waiting_messages_of_a_disabled_sender_end_as_24_and_are_refunded(world: World) -> None:
    async def story() -> None:
        made = (await world.submit(after=HOUR)).messages[0]
        await accounts.disable_sender(world.ctx, world.caller.account, world.sender_id)
        world.time.advance(HOUR)
        await world.clock.release()
        await world.clock.fill()
        await world.deliver()
        assert (await world.row(made.id)).status == Status.INVALID_SENDER
        assert await world.balance() == 10_000

    world.run(story)


def test_a_sender_of_another_account_is_unknown(world: World) -> None:
    async def story() -> None:
        other = await world.another_account("other")
        with pytest.raises(NotFound):
            await accounts.disable_sender(world.ctx, other.account, world.sender_id)
        with pytest.raises(NotFound):
            await accounts.make_default_sender(world.ctx, other.account, world.sender_id)

    world.run(story)
