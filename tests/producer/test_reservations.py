"""Credits of a batch that is a part of an application's transaction: nobody waits for its commit."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from dispatcher.domain.delivery.provider import Rejected
from dispatcher.domain.errors import DispatchError, LimitExceeded, NotEnoughCredit, Unavailable
from dispatcher.domain.messages.status import Status
from dispatcher.producer import Dispatcher
from dispatcher.service.accounts import accounts
from tests.producer.conftest import PROVIDERS, count
from tests.world import NUMBER, World

AT_ONCE = 2.0  # seconds; the time-out of a lock is five


def settle(shop: World, *, expected: int) -> int:
    """Run the clock's duty, and return the balance of the account."""

    async def story() -> int:
        assert await shop.clock.settle() == expected
        return await shop.balance()

    return shop.run_without_account(story)


def balance(shop: World) -> int:
    """Return the balance of the account, which is what the ledger and the reservations leave."""
    return shop.run_without_account(shop.balance)


def set_cap(url: str, cap: int) -> None:
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("UPDATE accounts SET daily_cap = %s", [cap])


def counted(url: str) -> int:
    with psycopg.connect(url) as other:
        [n] = other.execute("SELECT counted FROM accounts").fetchone() or [0]
    return int(n)


def test_submissions_of_any_account_are_answered_at_once_while_an_application_keeps_its_transaction_open(
    sms: Dispatcher, connection: "psycopg.Connection[Any]", shop: World
) -> None:
    sms.send(NUMBER, "Hello", connection=connection)

    async def story() -> None:
        other = await shop.another_account("other")
        callers = [shop.caller, other] * 5
        async with asyncio.timeout(AT_ONCE):
            batches = await asyncio.gather(*(shop.submit(caller=caller) for caller in callers))
        assert [batch.charged for batch in batches] == [1] * 10

    shop.run_without_account(story)
    connection.commit()
    assert settle(shop, expected=1) == 10_000 - 6


def test_refunds_of_an_account_wait_for_no_application(
    sms: Dispatcher, connection: "psycopg.Connection[Any]", shop: World
) -> None:
    shop.sim.always(Rejected(Status.INVALID_SENDER, "no"))

    async def story() -> None:
        late = await shop.submit(after=timedelta(seconds=30), until=timedelta(minutes=1))
        await shop.submit()
        sms.send([NUMBER] * 3, "Hello", connection=connection)
        async with asyncio.timeout(AT_ONCE):
            await shop.deliver()
            shop.time.advance(timedelta(minutes=2))
            await shop.clock.tick()
        assert (await shop.row(late.messages[0].id)).status == Status.EXPIRED
        assert await shop.balance() == 10_000 - 3

    shop.run_without_account(story)


def test_an_account_is_changed_and_topped_up_while_an_application_keeps_its_transaction_open(
    sms: Dispatcher, connection: "psycopg.Connection[Any]", shop: World, url: str
) -> None:
    """The transaction holds only what a reference to the account needs."""
    sms.send(NUMBER, "Hello", connection=connection)
    with psycopg.connect(url) as other:
        other.execute("SELECT FROM accounts FOR NO KEY UPDATE NOWAIT")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute("SELECT FROM accounts FOR UPDATE NOWAIT")

    async def story() -> None:
        async with asyncio.timeout(AT_ONCE):
            await accounts.top_up(shop.ctx, shop.caller.account, 5, note="")
        assert await shop.balance() == 10_000 + 5 - 1

    shop.run_without_account(story)


def test_credits_are_taken_at_the_call_and_stay_taken_after_the_commit(
    sms: Dispatcher, connection: "psycopg.Connection[Any]", shop: World, url: str
) -> None:
    sms.send([NUMBER] * 3, "Hello", connection=connection)
    assert balance(shop) == 10_000 - 3
    connection.commit()
    assert balance(shop) == 10_000 - 3
    assert settle(shop, expected=1) == 10_000 - 3
    assert settle(shop, expected=0) == 10_000 - 3
    assert count(url, "reservations") == 0


def test_credits_and_the_daily_count_are_given_back_once_after_a_rollback(
    sms: Dispatcher, connection: "psycopg.Connection[Any]", shop: World, url: str
) -> None:
    set_cap(url, 5)
    sms.send(NUMBER, "Hello")
    for _ in range(2):
        sms.send([NUMBER] * 2, "Hello", connection=connection)
    assert (balance(shop), counted(url)) == (10_000 - 5, 5)
    connection.rollback()
    assert settle(shop, expected=2) == 10_000 - 1
    assert settle(shop, expected=0) == 10_000 - 1
    assert counted(url) == 1
    sms.send([NUMBER] * 4, "Hello", connection=connection)


def test_only_what_was_sent_within_a_savepoint_is_given_back_when_that_alone_is_rolled_back(
    sms: Dispatcher, connection: "psycopg.Connection[Any]", shop: World, url: str
) -> None:
    sms.send(NUMBER, "Hello", connection=connection)
    connection.execute("SAVEPOINT mine")
    sms.send([NUMBER] * 20, "Hello", connection=connection)
    connection.execute("ROLLBACK TO SAVEPOINT mine")
    sms.send([NUMBER] * 300, "Hello", connection=connection)
    assert settle(shop, expected=0) == 10_000 - 321
    connection.commit()
    assert settle(shop, expected=3) == 10_000 - 301
    assert count(url) == 301


def test_what_a_transaction_holds_for_minutes_stays_reserved_until_it_ends(
    sms: Dispatcher, connection: "psycopg.Connection[Any]", shop: World, url: str
) -> None:
    sms.send([NUMBER] * 3, "Hello", connection=connection)

    async def story() -> None:
        for _ in range(5):
            shop.time.advance(timedelta(minutes=10))
            await shop.clock.tick()
        assert await shop.balance() == 10_000 - 3
        connection.commit()
        await shop.clock.tick()
        assert await shop.balance() == 10_000 - 3

    shop.run_without_account(story)
    assert count(url, "reservations") == 0


def test_a_process_that_dies_after_it_reserved_loses_no_credit(
    sms: Dispatcher, shop: World, url: str
) -> None:
    with psycopg.connect(url) as connection:
        sms.send([NUMBER] * 3, "Hello", connection=connection)
        connection.close()
    assert settle(shop, expected=1) == 10_000
    assert count(url) == 0


def test_credits_that_were_reserved_for_a_batch_that_was_never_written_are_given_back(
    sms: Dispatcher, connection: "psycopg.Connection[Any]", shop: World, url: str
) -> None:
    """As when a process dies, or the call fails, between any two of its steps."""

    def died_after_its_reservation(transaction: str) -> None:
        with psycopg.connect(url) as other:
            other.execute("UPDATE accounts SET balance = balance - 7")
            other.execute(
                "INSERT INTO reservations (batch_id, account_id, amount, messages, transaction_id)"
                " SELECT 1000000, id, 7, 7, %s FROM accounts",
                [transaction],
            )

    [own] = connection.execute("SELECT pg_current_xact_id()::text").fetchone() or [""]
    died_after_its_reservation(own)
    assert settle(shop, expected=0) == 10_000 - 7
    connection.rollback()
    assert settle(shop, expected=1) == 10_000
    for long_ago_or_of_another_server in ("3", "9999999999999"):
        died_after_its_reservation(long_ago_or_of_another_server)
        assert settle(shop, expected=1) == 10_000


def test_a_batch_that_is_committed_while_the_clock_looks_is_never_given_back(
    sms: Dispatcher, shop: World, url: str
) -> None:
    """Whether its transaction is over, and whether it wrote the batch, are asked of the same moment."""

    def send_some() -> None:
        with psycopg.connect(url) as connection:
            for n in range(40):
                sms.send(NUMBER, "Hello", connection=connection)
                (connection.commit if n % 2 else connection.rollback)()

    async def story() -> None:
        with ThreadPoolExecutor() as threads:
            sending = [asyncio.wrap_future(threads.submit(send_some)) for _ in range(3)]
            while not all(one.done() for one in sending):
                await asyncio.gather(shop.clock.settle(), shop.clock.settle())
            await asyncio.gather(*sending)
        await shop.clock.settle()
        assert await shop.balance() == 10_000 - 60

    shop.run_without_account(story)
    assert count(url, "reservations") == 0


def race(url: str, send: Callable[["psycopg.Connection[Any]"], object]) -> int:
    """Send in four transactions at once, which stay open, until all are refused; return how many were not."""

    def one() -> int:
        with psycopg.connect(url) as connection:
            sent = 0
            for _ in range(100):
                try:
                    send(connection)
                except (NotEnoughCredit, LimitExceeded):
                    return sent
                except Unavailable:  # others were quicker, each time
                    continue
                sent += 1
        raise AssertionError("never refused")

    with ThreadPoolExecutor() as threads:
        return sum(done.result() for done in [threads.submit(one) for _ in range(4)])


def test_producers_whose_transactions_are_open_spend_an_account_to_exactly_zero(
    sms: Dispatcher, shop: World, url: str
) -> None:
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("UPDATE accounts SET balance = 50")
        other.execute(
            "INSERT INTO reservations (batch_id, account_id, amount, messages, transaction_id)"
            " SELECT 1000000, id, 9950, 0, pg_current_xact_id()::text FROM accounts"
        )
    assert race(url, lambda connection: sms.send([NUMBER] * 3, "Hello", connection=connection)) == 16
    with psycopg.connect(url) as other:
        assert other.execute("SELECT balance FROM accounts").fetchone() == (2,)


def test_producers_whose_transactions_are_open_keep_to_the_daily_cap(
    sms: Dispatcher, shop: World, url: str
) -> None:
    set_cap(url, 30)
    assert race(url, lambda connection: sms.send([NUMBER] * 2, "Hello", connection=connection)) == 15
    assert counted(url) == 30


def test_messages_that_cost_nothing_and_are_not_counted_reserve_nothing(
    connection: "psycopg.Connection[Any]", shop: World, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPATCHER_PROVIDERS", PROVIDERS.replace("}]", ', "takes": "both"}]'))
    with Dispatcher.from_env(account="shop", test=True) as free:
        free.send(NUMBER, "Hello", connection=connection)
        assert count(url, "reservations") == 0
        set_cap(url, 5)
        free.send(NUMBER, "Hello", connection=connection)
        assert (count(url, "reservations"), counted(url)) == (1, 1)


def test_a_refused_message_reserves_nothing(
    sms: Dispatcher, connection: "psycopg.Connection[Any]", shop: World, url: str
) -> None:
    with pytest.raises(NotEnoughCredit):
        sms.send([NUMBER] * 10_000, "x" * 200, connection=connection)
    set_cap(url, 1)
    with pytest.raises(LimitExceeded):
        sms.send([NUMBER] * 2, "Hello", connection=connection)
    sms.send(NUMBER, "Hello", external_id="a", connection=connection)
    with pytest.raises(DispatchError):
        sms.send(NUMBER, "Hello", external_id="a", connection=connection)
    assert (count(url, "reservations"), balance(shop)) == (1, 9_999)


def test_a_count_of_an_earlier_day_is_not_given_back_on_a_later_one(
    sms: Dispatcher, connection: "psycopg.Connection[Any]", shop: World, url: str
) -> None:
    set_cap(url, 5)
    sms.send([NUMBER] * 3, "Hello", connection=connection)
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("UPDATE accounts SET counted_on = counted_on + 1, counted = 2")
    connection.rollback()
    assert settle(shop, expected=1) == 10_000
    assert counted(url) == 2


def test_other_accounts_are_served_while_an_account_whose_texts_are_compared_waits_for_its_application(
    connection: "psycopg.Connection[Any]", shop: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account waits for its own transaction, and occupies one connection, not the pool."""
    monkeypatch.setenv("DISPATCHER_REPEAT_WINDOW", "60")
    shop.settings = shop.settings.model_copy(update={"repeat_window": 60})
    with Dispatcher.from_env(account="shop") as compared:
        compared.send(NUMBER, "Hello", connection=connection)

    async def story() -> None:
        other = await shop.another_account("other")
        waiting = [asyncio.create_task(shop.submit(text=f"Hello {n}")) for n in range(20)]
        await until_one_waits()
        async with asyncio.timeout(AT_ONCE):
            for n in range(3):
                await shop.submit(text=f"Hello {n}", caller=other)
        assert not any(task.done() for task in waiting)
        connection.commit()
        async with asyncio.timeout(AT_ONCE):
            await asyncio.gather(*waiting)

    async def until_one_waits() -> None:
        async with asyncio.timeout(AT_ONCE):
            while not await shop.all("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
                pass

    shop.run_without_account(story)
