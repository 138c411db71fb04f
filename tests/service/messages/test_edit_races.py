"""Edits against workers: each message is sent unchanged or changed, never both, and the credits are exact."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.delivery.message import DueMessage, RoutedMessage
from dispatcher.domain.delivery.provider import Accepted, Deferred, Outcome, Outgoing, ProviderConfig, Traffic
from dispatcher.domain.errors import NotEnoughCredit
from dispatcher.domain.messages.edit import Cancel, Change, EditReport, NewText, Reschedule, Selection
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts
from dispatcher.service.delivery.concurrency import ConcurrencyLimit, LoopLag
from dispatcher.service.delivery.lane_task import LaneTask
from dispatcher.service.delivery.provider_call import ProviderCalls
from dispatcher.service.delivery.recorder import Recorder
from dispatcher.service.delivery.send_queue import SendQueue
from dispatcher.service.messages.edits import edit, resolve
from dispatcher.store.delivery import claims
from dispatcher.store.delivery.claims import MessageVersion
from dispatcher.store.messages import edits
from tests.world import NUMBER, World

HOUR = timedelta(hours=1)
LEASE = timedelta(seconds=30)
MANY = [f"+25471234{n:04}" for n in range(2000)]
_names = count()


async def change(world: World, what: Change) -> EditReport:
    return await edit(world.ctx, Selection(world.caller.account, everything=True), what)


async def to_lane(world: World) -> None:
    await world.clock.release()
    await world.clock.fill()
    world.lanes.take()


async def deliver_all(world: World) -> None:
    """Send as one process does, until nothing is left."""
    async with world.worker() as worker:
        while await world.all("SELECT 1 FROM messages WHERE place IS NOT NULL LIMIT 1"):
            await work_off(world, worker.deliver)


async def work_off(world: World, deliver: Callable[[list[int]], Awaitable[object]]) -> None:
    await world.clock.release()
    await world.clock.fill()
    ids = world.lanes.take()
    await asyncio.gather(*(deliver(ids[start : start + 50]) for start in range(0, len(ids), 50)))
    world.time.advance(timedelta(milliseconds=50))  # for what waits for a token


async def claimed(world: World, due: DueMessage) -> bool:
    """Return whether a worker that read this may send it."""
    now, read = world.time.now(), MessageVersion(due.id, due.seq)
    return bool(
        await world.ctx.database.single(
            lambda c: claims.claim(c, [read], provider="sim", now=now, lease_end=now + LEASE)
        )
    )


async def edit_while_sending(world: World, what: Change, *, after: int) -> EditReport:
    """Let three processes send 2,000 messages, and edit them all after some were sent."""
    world.configs["sim"] = ProviderConfig(name="sim", plugin="t", options={}, tps=50_000, takes=Traffic.BOTH)
    some = asyncio.Event()

    async def answer(outgoing: Outgoing) -> Outcome:
        await asyncio.sleep(0.002)
        if len(world.sim.seen) > after:
            some.set()
        return Accepted((f"ref-{outgoing.reference}",))

    world.sim.answer = answer

    async def editor() -> EditReport:
        await some.wait()
        return await change(world, what)

    editing = asyncio.create_task(editor())
    await asyncio.gather(*(deliver_all(world) for _ in range(3)))
    return await editing


def test_two_thousand_messages_are_each_sent_or_cancelled(world: World) -> None:
    async def story() -> None:
        await world.submit(MANY, tier=Tier.BULK)
        edited = await edit_while_sending(world, Cancel(), after=300)
        rows = await world.all("SELECT public_id, status FROM messages")
        sent = {str(row.public_id) for row in rows if row.status == Status.SENT}
        withdrawn = [row for row in rows if row.status == Status.WITHDRAWN]
        assert 300 < len(sent) < 2000
        assert len(sent) + len(withdrawn) == 2000
        assert edited.changed == edited.refunded == len(withdrawn)
        assert len(world.sim.seen) == len(sent)
        assert {outgoing.reference for outgoing in world.sim.seen} == sent
        assert await world.balance() == 10_000 - len(sent)

    world.run(story)


def test_two_thousand_messages_are_each_sent_once_with_the_text_that_is_stored(world: World) -> None:
    async def story() -> None:
        await world.submit(MANY, tier=Tier.BULK)
        edited = await edit_while_sending(world, NewText("x" * 161), after=300)
        rows = await world.all("SELECT public_id, status, text FROM messages")
        assert {row.status for row in rows} == {Status.SENT}
        assert len(world.sim.seen) == 2000
        seen = {outgoing.reference: (outgoing.text, outgoing.segments) for outgoing in world.sim.seen}
        assert {ref: text for ref, (text, _) in seen.items()} == {str(r.public_id): r.text for r in rows}
        new = [segments for text, segments in seen.values() if text != "Hello"]
        assert set(new) == {2}
        assert edited.changed == edited.charged == len(new) < 1700
        assert await world.balance() == 10_000 - 2000 - len(new)

    world.run(story)


def test_a_message_read_before_an_edit_and_filled_again_is_not_claimed(world: World) -> None:
    async def story() -> None:
        message = (await world.submit()).messages[0].id
        [stale] = await world.ctx.database.single(lambda c: claims.read(c, [message]))
        assert (await change(world, NewText("Bye"))).changed == 1
        assert (await world.row(message)).place == Place.READY
        await to_lane(world)
        assert (await world.row(message)).place == Place.LANE
        [fresh] = await world.ctx.database.single(lambda c: claims.read(c, [message]))
        assert (stale.text, fresh.text) == ("Hello", "Bye")
        assert not await claimed(world, stale)
        assert await claimed(world, fresh)
        assert not await claimed(world, fresh)

    world.run(story)


def test_of_two_reads_in_one_claim_only_the_current_one_is_sent(world: World) -> None:
    async def story() -> None:
        message = (await world.submit()).messages[0].id
        [stale] = await world.ctx.database.single(lambda c: claims.read(c, [message]))
        await change(world, NewText("Bye"))
        await to_lane(world)
        [fresh] = await world.ctx.database.single(lambda c: claims.read(c, [message]))
        stopping, recorder = asyncio.Event(), Recorder(world.ctx)
        limit = ConcurrencyLimit(world.ctx.providers["sim"].config, LoopLag())
        calls = ProviderCalls(world.ctx, {"sim": limit}, recorder)
        queue = SendQueue(world.ctx, "sim", limit=limit, calls=calls, recorder=recorder, stopping=stopping)
        lane_task = LaneTask(world.ctx, stopping)
        for due in (stale, fresh):
            deadline = asyncio.get_running_loop().time() + 5
            now = world.time.now()
            queue.put(
                lane_task.queue(RoutedMessage(due, ("sim",)), since=now, token_at=now, deadline=deadline)
            )
        await lane_task.finish([])
        await queue.idle()
        assert [outgoing.text for outgoing in world.sim.seen] == ["Bye"]
        assert lane_task.unclaimed == [message]

    world.run(story)


def test_a_window_that_was_moved_after_a_worker_read_it_is_kept(world: World) -> None:
    async def story() -> None:
        message = (await world.submit(until=HOUR)).messages[0].id
        [stale] = await world.ctx.database.single(lambda c: claims.read(c, [message]))
        await change(world, Reschedule(not_after=world.time.now() + 2 * HOUR))
        await to_lane(world)
        assert not await claimed(world, stale)

    world.run(story)


def test_an_edit_waits_for_a_claim_in_progress_and_then_skips_the_message(world: World) -> None:
    async def story() -> None:
        message = (await world.submit()).messages[0].id
        seq, now = (await world.row(message)).seq, world.time.now()
        async with asyncio.timeout(10), world.ctx.database._engine.begin() as connection:
            assert await claims.claim(
                connection, [MessageVersion(message, seq)], provider="sim", now=now, lease_end=now + LEASE
            )
            editing = asyncio.create_task(change(world, Cancel()))
            while not await world.all("SELECT 1 FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await editing == EditReport(too_late=1, late={"being sent": 1})
        assert (await world.row(message)).place == Place.WORKER

    world.run(story)


def test_a_message_that_no_longer_matches_when_it_is_locked_is_skipped(world: World) -> None:
    async def story() -> None:
        message = (await world.submit(after=HOUR)).messages[0].id
        selection = Selection(world.caller.account, statuses=frozenset({Status.SCHEDULED}))
        chosen = await resolve(world.ctx, selection)
        among = await world.ctx.database.single(lambda c: edits.select_ids(c, chosen, after=0, limit=10))
        assert among == [message]
        world.time.advance(HOUR)
        await world.clock.release()
        left = await world.ctx.database.transact(
            lambda c: edits.read_waiting(c, chosen, among, lock=True, with_variables=False)
        )
        assert left == []

    world.run(story)


texts = st.sampled_from(["short", "x" * 161, "é€" * 90, "ж" * 71])
steps = st.one_of(
    st.tuples(st.just("submit"), texts),
    st.tuples(st.just("text"), texts),
    st.tuples(st.just("time"), st.sampled_from([-HOUR, HOUR])),
    st.tuples(st.sampled_from(["cancel", "deliver", "refuse", "wait"]), st.none()),
)


async def step(world: World, name: str, value: object) -> None:
    match name, value:
        case "submit", str(text):
            await world.submit([NUMBER] * 2, text=text)
            await world.submit(text=text, after=HOUR)
        case "text", str(text):
            await change(world, NewText(text))
        case "time", timedelta() as shift:
            await change(world, Reschedule(shift=shift))
        case "cancel", _:
            await change(world, Cancel())
        case "wait", _:
            world.time.advance(HOUR)
            await world.clock.expire()
    if name in {"deliver", "refuse"}:
        world.sim.always(Deferred("busy") if name == "refuse" else Accepted(()))
        await work_off(world, world.deliver)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    print_blob=True,
)
@given(st.lists(steps, min_size=3, max_size=20))
def test_the_balance_is_what_was_paid_in_less_what_is_not_refunded(
    world: World, wanted: list[tuple[str, object]]
) -> None:
    async def story() -> None:
        account = await accounts.create(world.ctx, f"shop-{next(_names)}", credits=40, country="KE")
        await accounts.add_sender(world.ctx, account, "SHOP")
        world.caller = Caller(account, "test")
        for name, value in wanted:
            with contextlib.suppress(NotEnoughCredit):
                await step(world, name, value)
            row = await world.one(
                "SELECT balance, (SELECT sum(amount) FROM ledger WHERE account_id = a.id) AS ledger,"
                " 40 - coalesce((SELECT sum(charged) FROM messages WHERE account_id = a.id"
                "   AND NOT (status BETWEEN 20 AND 29 OR status = 90)), 0) AS truth"
                " FROM accounts a WHERE id = :id",
                id=account.id,
            )
            assert row.balance == row.ledger == row.truth

    world.run_without_account(story)
