"""Passwords are checked one at a time, few wait, and a right one is remembered for its hash alone."""

import asyncio
import time

import pytest

from dispatcher.domain.errors import RateLimited
from dispatcher.service.passwords import MOST_FROM_ONE, PasswordChecker

PASSWORD = "correct horse battery"


def test_a_right_password_is_remembered_for_its_hash_alone() -> None:
    async def story() -> None:
        checker = PasswordChecker()
        known, other = await checker.hash(PASSWORD), await checker.hash(PASSWORD)
        assert not checker.remembers(known, PASSWORD)
        assert await checker.is_right(known, PASSWORD, source="a")
        assert checker.remembers(known, PASSWORD)
        assert not checker.remembers(known, "wrong")
        assert not checker.remembers(other, PASSWORD)

    asyncio.run(story())


def test_a_wrong_password_and_an_unknown_name_are_not_remembered() -> None:
    async def story() -> None:
        checker = PasswordChecker()
        known = await checker.hash(PASSWORD)
        assert not await checker.is_right(known, "wrong", source="a")
        assert not await checker.is_right(None, PASSWORD, source="a")
        assert not checker.remembers(known, "wrong")

    asyncio.run(story())


def test_a_remembered_password_is_forgotten_after_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        checker = PasswordChecker()
        known = await checker.hash(PASSWORD)
        assert await checker.is_right(known, PASSWORD, source="a")
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 301)
        assert not checker.remembers(known, PASSWORD)

    asyncio.run(story())


def test_one_source_cannot_take_the_turns_of_others() -> None:
    async def story() -> None:
        checker = PasswordChecker()
        known = await checker.hash(PASSWORD)
        flood = [
            asyncio.create_task(checker.is_right(None, "guess", source="a")) for _ in range(MOST_FROM_ONE)
        ]
        await asyncio.sleep(0)
        with pytest.raises(RateLimited):
            await checker.is_right(None, "guess", source="a")
        assert await checker.is_right(known, PASSWORD, source="b")
        await asyncio.gather(*flood)
        assert not await checker.is_right(known, "guess", source="a")

    asyncio.run(story())
