"""Submissions that arrive at the same moment share a transaction, and nothing else."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.util import await_only

from dispatcher.domain.accounts.account import AccountLimits, Caller
from dispatcher.domain.errors import AlreadyExists, InvalidSubmission, LimitExceeded, NotEnoughCredit
from dispatcher.domain.messages.status import Status
from dispatcher.domain.messages.submission import AcceptedBatch, Submission, WithoutCredit
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts, opt_outs
from dispatcher.service.submissions.submit import validate
from dispatcher.service.submissions.transaction import AcceptResult, accept
from dispatcher.service.submissions.validate import ValidatedSubmission
from tests.world import NUMBER, NUMBERS, World

MANY = 40
_WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


async def _transactions(world: World) -> int:
    row = await world.one("SELECT count(DISTINCT xmin::text) AS n FROM messages")
    return int(row.n)


def test_concurrent_submissions_share_transactions_and_each_gets_its_own_result(world: World) -> None:
    async def story() -> None:
        batches = await asyncio.gather(*(world.submit(text=f"text {n}") for n in range(MANY)))
        assert len({batch.id for batch in batches}) == MANY
        for n, batch in enumerate(batches):
            row = await world.row(batch.messages[0].id)
            assert (row.batch_id, row.text, row.public_id) == (
                batch.id,
                f"text {n}",
                batch.messages[0].public_id,
            )
        assert await _transactions(world) < MANY / 2
        assert await world.balance() == 10_000 - MANY
        assert len(await world.all("SELECT 1 FROM ledger WHERE kind = 'charge'")) == MANY

    world.run(story)


def test_a_fault_is_reported_only_to_the_submission_that_has_it(world: World) -> None:
    async def story() -> None:
        past = timedelta(seconds=-1)
        asked = [world.submit(), world.submit(sender_id=99), world.submit(until=past), world.submit()]
        ended = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(end) for end in ended] == [
            AcceptedBatch,
            InvalidSubmission,
            InvalidSubmission,
            AcceptedBatch,
        ]
        assert await world.balance() == 9_998

    world.run(story)


def test_an_account_without_credit_does_not_affect_the_others(world: World) -> None:
    async def story() -> None:
        poor = await world.another_account("poor", credits=1)
        asked = [world.submit(caller=caller) for caller in (world.caller, poor, poor, world.caller, poor)]
        keeping = world.submit(caller=poor, without_credit=WithoutCredit.KEEP)
        ended = await asyncio.gather(*asked, keeping, return_exceptions=True)
        accepted = [end for end in ended[:5] if isinstance(end, AcceptedBatch)]
        refused = [end for end in ended[:5] if isinstance(end, NotEnoughCredit)]
        assert isinstance(ended[5], AcceptedBatch)
        kept = ended[5].messages[0].status
        assert (len(accepted), len(refused)) == (3, 2) if kept is Status.NO_CREDIT else (2, 3)
        assert await world.balance() == 9_998
        assert (await accounts.find(world.ctx, "poor")).balance == 0

    world.run(story)


def test_a_daily_cap_holds_within_a_shared_transaction(world: World) -> None:
    async def story() -> None:
        account = await accounts.set_limits(world.ctx, world.caller.account, AccountLimits(daily=3))
        caller = Caller(account, "test")
        ended = await asyncio.gather(*(world.submit(caller=caller) for _ in range(6)), return_exceptions=True)
        assert sum(isinstance(end, LimitExceeded) for end in ended) == 3
        assert await world.balance() == 9_997

    world.run(story)


def test_the_same_external_id_at_the_same_moment_is_one_batch(world: World) -> None:
    async def story() -> None:
        ended = await asyncio.gather(
            *(world.submit(external_id="order 7") for _ in range(5)), return_exceptions=True
        )
        assert sum(isinstance(end, AcceptedBatch) for end in ended) == 1
        assert sum(isinstance(end, AlreadyExists) for end in ended) == 4
        assert await world.balance() == 9_999

    world.run(story)


def test_each_submission_keeps_its_tier_its_window_and_its_opt_outs(world: World) -> None:
    async def story() -> None:
        other = await world.another_account("other")
        await opt_outs.add(world.ctx, other.account, [NUMBER])
        critical, scheduled, opted_out = await asyncio.gather(
            world.submit(tier=Tier.CRITICAL),
            world.submit(tier=Tier.BULK, after=timedelta(hours=1)),
            world.submit(caller=other),
        )
        assert critical.messages[0].status is Status.PENDING
        assert critical.window.not_after - critical.window.not_before == timedelta(minutes=10)
        assert scheduled.messages[0].status is Status.SCHEDULED
        assert opted_out.messages[0].status is Status.OPTED_OUT
        assert world.lanes.published == [(Tier.CRITICAL, critical.messages[0].id)]

    world.run(story)


def test_submissions_together_fill_a_lane_no_deeper_than_one_alone(world: World) -> None:
    async def story() -> None:
        await asyncio.gather(*(world.submit([NUMBER] * 20) for _ in range(60)))
        places = await world.all("SELECT place, count(*) AS n FROM messages GROUP BY place ORDER BY place")
        assert [(row.place, row.n) for row in places] == [("lane", 500), ("ready", 700)]

    world.run(story)


def _statements(world: World) -> list[str]:
    """Return a list that collects the statements from now on, and the ends of transactions."""
    seen: list[str] = []
    engine = world.ctx.database._engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda _c, _u, statement, *_: seen.append(statement))
    event.listen(engine, "commit", lambda _: seen.append("COMMIT"))
    event.listen(engine, "rollback", lambda _: seen.append("ROLLBACK"))
    return seen


async def _validated(world: World, caller: Caller, **more: Any) -> ValidatedSubmission:
    fields: dict[str, Any] = {"recipients": [NUMBER], "text": "Hello", "numbers": NUMBERS} | more
    return await validate(world.ctx, caller, Submission(**fields))


async def _accept(world: World, *callers: Caller, **more: Any) -> list[AcceptResult]:
    """Accept a submission of each caller in one group."""
    return await accept(world.ctx, [await _validated(world, caller, **more) for caller in callers])


@pytest.mark.parametrize("without_credit", WithoutCredit)
def test_a_neighbour_without_credit_costs_no_transaction_and_no_statement(
    world: World, without_credit: WithoutCredit
) -> None:
    async def story() -> None:
        poor = await world.another_account("poor", credits=0)
        seen = _statements(world)
        await _accept(world, *[world.caller] * MANY)
        solvent = seen.copy()
        seen.clear()
        half = [world.caller] * (MANY // 2)
        ended = await _accept(world, *half, poor, *half, without_credit=without_credit)
        assert seen == solvent
        assert sum(isinstance(end, AcceptedBatch) and end.charged == 1 for end in ended) == MANY
        refused = ended[MANY // 2]
        if without_credit is WithoutCredit.REFUSE:
            assert isinstance(refused, NotEnoughCredit)
        else:
            assert isinstance(refused, AcceptedBatch)
            assert [message.status for message in refused.messages] == [Status.NO_CREDIT]

    world.run(story)


def test_a_neighbour_over_its_daily_cap_costs_no_transaction_and_no_statement(world: World) -> None:
    async def story() -> None:
        other = await world.another_account("other")
        capped = Caller(await accounts.set_limits(world.ctx, other.account, AccountLimits(daily=1)), "test")
        seen = _statements(world)
        await _accept(world, *[world.caller] * MANY)
        uncapped = seen.copy()
        seen.clear()
        ended = await _accept(world, world.caller, capped, capped, world.caller)
        assert seen == uncapped
        assert [type(end) for end in ended] == [AcceptedBatch, AcceptedBatch, LimitExceeded, AcceptedBatch]

    world.run(story)


def test_a_balance_covers_submissions_in_order_until_one_costs_too_much(world: World) -> None:
    async def story() -> None:
        poor = await world.another_account("poor", credits=5)
        recipients = [3, 3, 2, 1]
        ended = await accept(
            world.ctx, [await _validated(world, poor, recipients=[NUMBER] * count) for count in recipients]
        )
        assert [type(end) for end in ended] == [
            AcceptedBatch,
            NotEnoughCredit,
            AcceptedBatch,
            NotEnoughCredit,
        ]
        assert (await accounts.find(world.ctx, "poor")).balance == 0

    world.run(story)


def test_a_balance_spent_meanwhile_repeats_the_group_once_and_refuses_only_that_account(
    world: World,
) -> None:
    async def story() -> None:
        poor = await world.another_account("poor", credits=1)
        group = [await _validated(world, caller) for caller in (world.caller, poor, world.caller)]
        world.lanes.take()
        seen = _statements(world)

        async def spend(connection: AsyncConnection) -> asyncio.Task[list[AcceptResult]]:
            await connection.execute(text("UPDATE accounts SET balance = 0 WHERE name = 'poor'"))
            accepting = asyncio.create_task(accept(world.ctx, group))
            async with asyncio.timeout(10):
                while not await connection.scalar(text(_WAITING)):  # noqa: ASYNC110 - nothing signals it
                    await asyncio.sleep(0.01)
            return accepting

        accepting = await world.ctx.database.transact(spend)
        assert [type(end) for end in await accepting] == [AcceptedBatch, NotEnoughCredit, AcceptedBatch]
        assert seen.count("ROLLBACK") == 1
        assert await world.balance() == 9_998
        assert len(world.lanes.take()) == 2

    world.run(story)


def test_a_taken_external_id_is_reported_even_without_credit(world: World) -> None:
    """A client that got no response and submits again must learn that its first request was accepted."""

    async def story() -> None:
        await world.submit(external_id="order 7")
        assert await world.balance() == 0
        with pytest.raises(AlreadyExists):
            await world.submit(external_id="order 7")

    world.run(story, credits=1)


def test_the_external_id_of_a_refused_submission_is_free_for_the_next_in_its_group(world: World) -> None:
    async def story() -> None:
        dear, cheap = [NUMBER] * 2, [NUMBER]
        ended = await accept(
            world.ctx,
            [
                await _validated(world, world.caller, recipients=recipients, external_id="order 7")
                for recipients in (dear, cheap, cheap)
            ],
        )
        assert [type(end) for end in ended] == [NotEnoughCredit, AcceptedBatch, AlreadyExists]
        assert await world.balance() == 0

    world.run(story, credits=1)


def test_a_refused_submission_takes_no_room_in_a_lane(world: World) -> None:
    async def story() -> None:
        poor = await world.another_account("poor", credits=0)
        await _accept(world, poor, world.caller, recipients=[NUMBER] * 300)
        assert len(world.lanes.take()) == 300

    world.run(story)


def test_a_submission_that_postgres_refuses_does_not_affect_the_others(world: World) -> None:
    async def story() -> None:
        asked = [world.submit(), world.submit(traceparent="\0"), world.submit()]
        ended = await asyncio.gather(*asked, return_exceptions=True)
        assert [isinstance(end, AcceptedBatch) for end in ended] == [True, False, True]
        assert await world.balance() == 9_998

    world.run(story)


def test_a_lost_race_for_an_external_id_costs_the_next_in_its_group_nothing(world: World) -> None:
    """The credit that was meant for the batch with the taken id is there for the one after it."""

    async def story() -> None:
        tester = replace(world.caller, is_test=True)  # its messages cost nothing
        race = [await _validated(world, tester, external_id="order 7")]
        group = [
            await _validated(world, world.caller, external_id="order 7"),
            await _validated(world, world.caller),
        ]
        other = World(world.settings)

        async def win(statement: str) -> None:
            if "INSERT INTO batches" in statement and not won:
                won.append(statement)
                [first] = await accept(other.ctx, race)
                assert isinstance(first, AcceptedBatch)

        won: list[str] = []
        async with other.open():
            engine = world.ctx.database._engine.sync_engine
            event.listen(
                engine, "before_cursor_execute", lambda _c, _u, statement, *_: await_only(win(statement))
            )
            ended = await accept(world.ctx, group)
        assert won
        assert [type(end) for end in ended] == [AlreadyExists, AcceptedBatch]
        assert isinstance(ended[1], AcceptedBatch)
        assert ended[1].messages[0].status is Status.PENDING
        assert await world.balance() == 0

    world.run(story, credits=1)
