"""The turns of an account: one at a time, and nobody waits for another account."""

import asyncio

import pytest

from dispatcher.domain.errors import Unavailable
from dispatcher.service.account_turns import AccountTurns


def test_tasks_of_one_account_have_their_turn_one_at_a_time_and_in_order() -> None:
    async def story() -> None:
        turns, seen = AccountTurns(), list[str]()

        async def work(name: str) -> None:
            async with turns.turn(1):
                seen.append(f"{name} begins")
                await asyncio.sleep(0)
                seen.append(f"{name} ends")

        await asyncio.gather(work("a"), work("b"))
        assert seen == ["a begins", "a ends", "b begins", "b ends"]

    asyncio.run(story())


def test_a_turn_that_does_not_come_is_unavailable_and_another_account_has_its_own() -> None:
    async def story() -> None:
        turns = AccountTurns(patience=0.05)
        async with turns.turn(1):
            async with turns.turn(2):
                pass
            with pytest.raises(Unavailable, match="earlier submissions of the account"):
                async with turns.turn(1):
                    pass
        async with turns.turn(1):
            pass

    asyncio.run(story())
