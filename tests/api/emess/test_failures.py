"""Emess keeps its envelope in every other failure."""

from collections.abc import AsyncIterator, Sequence

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.tier import Tier
from dispatcher.settings import Settings
from dispatcher.store.submissions import idempotency
from tests.api.client import opened
from tests.api.emess.sample import BULK, SEND, TOKEN, EmessClient, ask, many, one, said
from tests.world import RecordingLanes, World


def test_an_unknown_path_is_404_and_there_is_no_status_to_read(world: World) -> None:
    async def story(office: EmessClient) -> None:
        sent = (await office.send()).json()
        paths = ["/api/v0", "/api/v0/", f"{SEND}/", f"{BULK}/x", "/api/v0/auth", f"/api/v0/sms/{sent['id']}"]
        for path in [*paths, f"/api/v0/batch/{sent['batchId']}"]:
            response = await office.http.get(path)
            assert (response.status_code, said(response)) == (404, "Not Found"), path

    ask(world, story)


@pytest.mark.parametrize("path", [TOKEN, SEND, BULK])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_wrong_method_is_405_and_names_the_right_one(world: World, method: str, path: str) -> None:
    async def story(office: EmessClient) -> None:
        response = await office.http.request(method, path)
        assert (response.status_code, said(response)) == (405, "Method Not Allowed")
        assert response.headers["allow"] == "POST"

    ask(world, story)


def test_too_large_a_body_is_413_also_for_a_token(settings: Settings) -> None:
    async def story(office: EmessClient) -> None:
        response = await office.http.post(TOKEN, json=office.pair(note="x" * 3000))
        assert (response.status_code, said(response)) == (413, "The body is larger than 2048 bytes")

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b'{"appId": "' + b"x" * 1000

        response = await office.http.post(TOKEN, content=chunks())
        assert (response.status_code, said(response)) == (413, "The body is larger than 2048 bytes")

    ask(World(settings.model_copy(update={"body_limit": 2048})), story)


def test_while_postgres_is_away_it_is_503_with_retry_after(settings: Settings) -> None:
    async def story(office: EmessClient) -> None:
        token = office.http.headers["Authorization"]
        url = SecretStr("postgresql://nobody@127.0.0.1:1/none")
        away = World(office.world.settings.model_copy(update={"database_url": url}))
        async with away.open(), opened(away, Authorization=token) as client:
            for path, body in ((TOKEN, office.pair()), (SEND, one()), (BULK, many())):
                response = await client.post(path, json=body)
                assert response.status_code == 503
                assert response.headers["retry-after"] == "5"
                assert said(response) == "the database cannot be reached; try again"

    ask(World(settings), story)


def test_a_brake_is_429_with_retry_after(settings: Settings) -> None:
    async def story(office: EmessClient) -> None:
        assert (await office.send()).status_code == 200
        response = await office.send()
        assert (response.status_code, response.headers["retry-after"]) == (429, "60")
        assert said(response) == "+2547****5678 was sent the same text 0 seconds ago"

    ask(World(settings.model_copy(update={"repeat_window": 60})), story)


def test_while_redis_is_away_a_message_is_accepted_all_the_same(settings: Settings) -> None:
    async def story(office: EmessClient) -> None:
        assert (await office.send()).status_code == 200
        assert (await office.bulk()).status_code == 200

    ask(World(settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0")})), story)


class _BrokenLanes(RecordingLanes):
    def publish(self, tier: Tier, ids: Sequence[int]) -> None:
        raise RuntimeError("a bug of ours")


@pytest.mark.parametrize("path", [SEND, BULK])
def test_a_bug_of_ours_is_500_and_tells_nothing_of_itself(world: World, path: str) -> None:
    world.lanes = _BrokenLanes()

    async def story(office: EmessClient) -> None:
        response = await office.http.post(path, json=one() | many())
        assert (response.status_code, said(response)) == (500, "Failed to send SMS")

    ask(world, story)


def test_while_the_first_request_with_a_key_runs_the_second_is_409(world: World) -> None:
    async def story(office: EmessClient) -> None:
        async def first(connection: AsyncConnection) -> httpx.Response:
            account_id = office.world.caller.account.id
            assert await idempotency.lock(connection, account_id, "emess", "order-1")
            return await office.http.post(SEND, json=one(), headers={"Idempotency-Key": "order-1"})

        response = await office.world.ctx.database.transact(first)
        assert response.status_code == 409
        assert said(response) == "the first request with this Idempotency-Key has not ended; try again"
        assert await office.rows() == 0

    ask(world, story)
