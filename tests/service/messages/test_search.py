"""Searching messages: by number through its index, else a bounded scan that says where it stopped."""

from datetime import timedelta

from dispatcher.domain.callbacks.events import CallbackState
from dispatcher.domain.tier import Tier
from dispatcher.service.callbacks import admin
from dispatcher.service.messages import search
from dispatcher.service.messages.search import MessageFilter, MessageView, Slice
from tests.world import NUMBER, World

OTHERS = [f"+2547123456{n}" for n in range(10, 20)]
HOUR = timedelta(hours=1)


def ids(found: Slice[MessageView]) -> list[int]:
    return [message.id for message in found.items]


def test_a_scan_that_found_too_little_says_where_to_continue(world: World) -> None:
    async def story() -> None:
        wanted = (await world.submit(tier=Tier.CRITICAL)).messages[0].id
        others = [m.id for m in (await world.submit(OTHERS)).messages]
        critical = MessageFilter(tier=Tier.CRITICAL)
        first = await search.messages(world.ctx, critical, walk=4)
        assert (ids(first), first.next) == ([], others[-4])
        second = await search.messages(world.ctx, critical, before=first.next, walk=4)
        assert (ids(second), second.next) == ([], others[-8])
        third = await search.messages(world.ctx, critical, before=second.next, walk=4)
        assert (ids(third), third.next) == ([wanted], None)

    world.run(story)


def test_a_scan_ends_where_all_further_messages_are_too_old(world: World) -> None:
    async def story() -> None:
        await world.submit(OTHERS)
        world.time.advance(HOUR)
        late = (await world.submit()).messages[0].id
        found = await search.messages(world.ctx, MessageFilter(since=world.time.now()), walk=4)
        assert (ids(found), found.next) == ([late], None)

    world.run(story)


def test_a_search_by_number_scans_nothing(world: World) -> None:
    async def story() -> None:
        wanted = (await world.submit()).messages[0].id
        await world.submit(OTHERS)
        found = await search.messages(world.ctx, MessageFilter(number=NUMBER), walk=1)
        assert (ids(found), found.next) == ([wanted], None)

    world.run(story)


def test_paging_by_number_continues_when_the_last_row_is_gone(world: World) -> None:
    async def story() -> None:
        made = [(await world.submit()).messages[0].id for _ in range(3)]
        first = await search.messages(world.ctx, MessageFilter(number=NUMBER), limit=2)
        assert (ids(first), first.next) == ([made[2], made[1]], made[1])
        for table in ("message_events", "messages"):
            column = "id" if table == "messages" else "message_id"
            await world.all(f"DELETE FROM {table} WHERE {column} = :id", id=made[1])
        assert ids(await search.messages(world.ctx, MessageFilter(number=NUMBER), before=first.next)) == [
            made[0]
        ]

    world.run(story)


def test_a_scan_of_callbacks_says_where_to_continue(world: World) -> None:
    async def story() -> None:
        bank = await world.another_account("bank")
        await world.submit(callback_url="https://shop.example/sms")
        await world.submit(OTHERS, callback_url="https://bank.example/sms", caller=bank)
        await world.all("UPDATE callbacks SET state = 'refused', wake_at = NULL WHERE id = 1")
        refused = CallbackState.REFUSED
        first = await admin.page(world.ctx, state=refused, walk=6)
        assert (first.items, first.next) == ([], 6)
        second = await admin.page(world.ctx, state=refused, before=first.next, walk=6)
        assert ([c.id for c in second.items], second.next) == ([1], None)
        own = await admin.page(world.ctx, account=world.caller.account, walk=1)
        assert [c.id for c in own.items] == [1]

    world.run(story)
