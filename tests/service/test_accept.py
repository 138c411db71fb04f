"""Submissions that come at the same moment share a transaction, and nothing else."""

import asyncio
from datetime import timedelta

from dispatcher.domain.errors import AlreadyExists, InvalidSubmission, NotEnoughCredit, TooMany
from dispatcher.domain.status import Status
from dispatcher.domain.submission import AcceptedBatch, AccountLimits, Caller, WithoutCredit
from dispatcher.domain.tier import Tier
from dispatcher.service import accounts, opt_outs
from tests.world import NUMBER, World

MANY = 40


async def _transactions(world: World) -> int:
    row = await world.one("SELECT count(DISTINCT xmin::text) AS n FROM messages")
    return int(row.n)


def test_they_share_transactions_and_each_gets_its_own_answer(world: World) -> None:
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


def test_what_is_wrong_with_one_is_told_to_it_alone(world: World) -> None:
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


def test_an_account_without_credit_takes_nobody_with_it(world: World) -> None:
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
        account = await accounts.limit(world.ctx, world.caller.account, AccountLimits(daily=3))
        caller = Caller(account, "test")
        ended = await asyncio.gather(*(world.submit(caller=caller) for _ in range(6)), return_exceptions=True)
        assert sum(isinstance(end, TooMany) for end in ended) == 3
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


def test_each_keeps_its_tier_its_window_and_its_opt_outs(world: World) -> None:
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


def test_together_they_fill_a_lane_no_deeper_than_alone(world: World) -> None:
    async def story() -> None:
        await asyncio.gather(*(world.submit([NUMBER] * 20) for _ in range(60)))
        places = await world.all("SELECT place, count(*) AS n FROM messages GROUP BY place ORDER BY place")
        assert [(row.place, row.n) for row in places] == [("lane", 500), ("ready", 700)]

    world.run(story)
