"""Credits: charged once, refunded once, never below zero, and every change is in the ledger."""

import asyncio
from collections.abc import ItemsView

from dispatcher.domain.accounts.credits import Prices, PriceUnit
from dispatcher.domain.errors import NotEnoughCredit
from dispatcher.service.accounts import accounts
from dispatcher.service.messages import withdraw
from dispatcher.settings import Settings
from tests.world import NUMBER, World

LONG = "x" * 161


def test_fifty_clients_spend_an_account_to_exactly_zero(world: World) -> None:
    async def client() -> int:
        spent = 0
        try:
            while True:
                spent += (await world.submit([NUMBER] * 3)).charged
        except NotEnoughCredit:
            return spent

    async def story() -> None:
        spent = await asyncio.gather(*(client() for _ in range(50)))
        assert sum(spent) == 300
        assert await world.balance() == 0

    world.run(story, credits=300)


def test_a_balance_below_the_cost_of_a_batch_stays(world: World) -> None:
    async def story() -> None:
        ended = await asyncio.gather(*(world.submit([NUMBER] * 3) for _ in range(5)), return_exceptions=True)
        assert sum(isinstance(end, NotEnoughCredit) for end in ended) == 2
        assert await world.balance() == 1
        assert (await world.one("SELECT count(*) AS n FROM messages")).n == 9

    world.run(story, credits=10)


def test_a_setting_charges_one_credit_a_message_of_any_length(settings: Settings) -> None:
    world = World(settings.model_copy(update={"charge_by": PriceUnit.MESSAGE}))

    async def story() -> None:
        assert (await world.submit(text=LONG)).charged == 1

    world.run(story)


def test_a_country_can_have_its_own_price(settings: Settings) -> None:
    world = World(settings.model_copy(update={"prices": {"KE": 2, "*": 5}}))

    async def story() -> None:
        batch = await world.submit([NUMBER, "+33612345678"], text=LONG)
        assert batch.charged == 2 * 2 + 2 * 5
        assert await world.balance() == 10_000 - 14
        assert await withdraw.batch(world.ctx, world.caller, batch.id) == 2
        assert await world.balance() == 10_000

    world.run(story)


class _ReadPrices(dict[str, int]):
    """Prices that count how often all of them are read."""

    reads = 0

    def items(self) -> ItemsView[str, int]:  # type: ignore[override]
        self.reads += 1
        return super().items()


def test_the_price_list_is_built_once_for_any_number_of_recipients(settings: Settings) -> None:
    prices = _ReadPrices({"KE": 2, "*": 5})
    world = World(settings.model_copy(update={"prices": prices}))

    async def story() -> None:
        for _ in range(2):
            assert (await world.submit([NUMBER] * 50)).charged == 100
        assert prices.reads == 1

    world.run(story)


def test_a_price_depends_on_unit_and_country() -> None:
    prices = Prices(PriceUnit.SEGMENT, {"KE": 2}, elsewhere=3)
    assert [prices.of("KE", 2), prices.of("FR", 2)] == [4, 6]
    assert Prices(PriceUnit.MESSAGE, {"KE": 2}).of("KE", 9) == 2
    assert Prices().of("", 4) == 4


def test_a_statement_lists_every_change_newest_first(world: World) -> None:
    async def story() -> None:
        batch = await world.submit()
        await withdraw.one(world.ctx, world.caller, batch.messages[0].id)
        entries = await accounts.statement(world.ctx, world.caller.account)
        assert [(e.kind, e.amount) for e in entries] == [("refund", 1), ("charge", -1), ("topup", 10_000)]
        assert entries[0].message_id == batch.messages[0].id
        assert entries[1].batch_id == batch.id
        older = await accounts.statement(world.ctx, world.caller.account, before=entries[1].id)
        assert [e.kind for e in older] == ["topup"]

    world.run(story)
