"""Balances change while other transactions refer to the account."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.store.accounts import ledger
from dispatcher.store.accounts.ledger import Charge
from tests.world import World

Work = Callable[[AsyncConnection, int, int], Awaitable[object]]


async def _charge(connection: AsyncConnection, batch_id: int, message_id: int) -> object:
    [account_id] = (await connection.execute(text("SELECT account_id FROM batches LIMIT 1"))).one()
    return await ledger.charge(connection, [Charge(account_id, batch_id, 5)], today=date(2030, 1, 1))


async def _refund(connection: AsyncConnection, batch_id: int, message_id: int) -> object:
    return await ledger.refund(connection, [message_id])


@pytest.mark.parametrize("work", [_charge, _refund])
def test_a_balance_changes_while_another_transaction_refers_to_its_account(world: World, work: Work) -> None:
    """Otherwise two submissions of one account would block each other once their rows are written."""

    async def story() -> None:
        batch = await world.submit()
        in_between, done = asyncio.Event(), asyncio.Event()

        async def another(connection: AsyncConnection) -> None:
            await connection.execute(
                text("INSERT INTO senders (account_id, name) SELECT id, 'OTHER' FROM accounts")
            )
            in_between.set()
            await done.wait()

        other = asyncio.create_task(world.ctx.database.transact(another))
        await in_between.wait()
        async with asyncio.timeout(3):
            await world.ctx.database.transact(lambda c: work(c, batch.id, batch.messages[0].id))
        done.set()
        await other

    world.run(story)


def test_a_message_is_refunded_once_by_whoever_asks_and_how_often(world: World) -> None:
    async def story() -> None:
        one, other = (await world.submit(["+254712345671", "+254712345672"])).messages
        refunds = [
            await world.ctx.database.transact(partial(ledger.refund, message_ids=ids))
            for ids in ([one.id], [one.id, other.id], [other.id, other.id])
        ]
        assert refunds == [1, 1, 0]
        assert await world.balance() == 10_000

    world.run(story)
