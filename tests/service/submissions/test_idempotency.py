"""Idempotency keys: the same request gets the same answer, at any time within a day."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.errors import KeyReused, NotEnoughCredit, StillRunning
from dispatcher.domain.messages.submission import (
    AcceptedBatch,
    IdempotencyKey,
    StoredResponse,
    Submission,
    WithoutCredit,
)
from dispatcher.service.accounts import accounts
from dispatcher.service.submissions.submit import submit_once
from tests.world import NUMBER, NUMBERS, World


def _key(key: str = "k", body: bytes = b"body") -> IdempotencyKey:
    def answer(batch: AcceptedBatch) -> StoredResponse:
        return StoredResponse(200, {"content-type": "text/plain"}, f"batch {batch.id}".encode())

    return IdempotencyKey(key, body, answer)


async def _submit(
    world: World,
    key: IdempotencyKey,
    *,
    caller: Caller | None = None,
    without: WithoutCredit = WithoutCredit.REFUSE,
) -> StoredResponse:
    submission = Submission(recipients=[NUMBER], text="Hello", numbers=NUMBERS, without_credit=without)
    return await submit_once(world.ctx, caller or world.caller, submission, key)


async def _messages(world: World) -> int:
    return int((await world.one("SELECT count(*) AS n FROM messages")).n)


def test_the_same_request_again_gets_the_same_answer_and_sends_nothing(world: World) -> None:
    async def story() -> None:
        first = await _submit(world, _key())
        assert not first.is_replayed
        assert await _submit(world, _key()) == replace(first, is_replayed=True)
        assert await _messages(world) == 1
        assert len(world.lanes.take()) == 1
        assert await world.balance() == 9_999

    world.run(story)


def test_a_key_with_another_request_is_refused(world: World) -> None:
    async def story() -> None:
        await _submit(world, _key())
        with pytest.raises(KeyReused):
            await _submit(world, _key(body=b"another"))

    world.run(story)


def test_a_key_belongs_to_its_account_and_dialect(world: World) -> None:
    async def story() -> None:
        await _submit(world, _key())
        answer = await _submit(world, _key(), caller=await world.another_account("other"))
        assert not answer.is_replayed
        answer = await _submit(world, _key(), caller=Caller(world.caller.account, "another"))
        assert not answer.is_replayed

    world.run(story)


def test_of_concurrent_requests_with_one_key_only_one_is_accepted(world: World) -> None:
    async def story() -> None:
        ended = await asyncio.gather(*(_submit(world, _key()) for _ in range(8)), return_exceptions=True)
        answers = [end for end in ended if isinstance(end, StoredResponse)]
        assert sum(not answer.is_replayed for answer in answers) == 1
        assert all(isinstance(end, StoredResponse | StillRunning) for end in ended)
        assert await _messages(world) == 1

    world.run(story)


def test_of_requests_with_one_key_in_one_transaction_only_one_is_accepted(world: World) -> None:
    async def story() -> None:
        async with asyncio.timeout(60), world.locked("accounts") as until_blocked:
            other = asyncio.create_task(world.submit())
            await until_blocked(1)
            repeats = [asyncio.create_task(_submit(world, _key())) for _ in range(3)]
            await asyncio.sleep(0)  # they wait for the transaction of the other, and then share the next one
        ended = await asyncio.gather(other, *repeats, return_exceptions=True)
        answers = [end for end in ended if isinstance(end, StoredResponse)]
        assert sum(not answer.is_replayed for answer in answers) == 1
        assert await _messages(world) == 2

    world.run(story)


def test_of_two_processes_with_one_key_only_one_accepts_the_request(world: World) -> None:
    async def story() -> None:
        other = World(world.settings)
        async with asyncio.timeout(60), other.open():
            other.caller = world.caller
            async with world.locked("accounts") as until_blocked:
                first = asyncio.create_task(_submit(world, _key()))
                await until_blocked(1)
                with pytest.raises(StillRunning):
                    await _submit(other, _key())
            assert not (await first).is_replayed
            assert (await _submit(other, _key())).is_replayed
        assert await _messages(world) == 1

    world.run(story)


def test_no_response_is_stored_for_a_refused_request(world: World) -> None:
    async def story() -> None:
        with pytest.raises(NotEnoughCredit):
            await _submit(world, _key())
        await accounts.top_up(world.ctx, world.caller.account, 1)
        assert not (await _submit(world, _key())).is_replayed

    world.run(story, credits=0)


def test_a_response_without_credit_is_stored_too(world: World) -> None:
    async def story() -> None:
        first = await _submit(world, _key(), without=WithoutCredit.KEEP)
        again = await _submit(world, _key(), without=WithoutCredit.KEEP)
        assert again == replace(first, is_replayed=True)
        assert await _messages(world) == 1

    world.run(story, credits=0)


def test_a_response_is_replayed_for_a_day_and_then_deleted(world: World) -> None:
    async def story() -> None:
        await _submit(world, _key("old"))
        world.time.advance(timedelta(hours=24) - timedelta(seconds=1))
        assert (await _submit(world, _key("old"))).is_replayed
        assert await world.clock.forget() == 0
        world.time.advance(timedelta(seconds=1))
        assert not (await _submit(world, _key("old"))).is_replayed  # and it is kept anew
        await _submit(world, _key("other"))
        world.time.advance(timedelta(hours=25))
        assert await world.clock.forget() == 2

    world.run(story)
