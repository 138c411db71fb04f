"""Emess keeps its envelope in every other failure."""

from collections.abc import AsyncIterator, Sequence

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.tier import Tier
from dispatcher.settings import Settings
from dispatcher.store.submissions import idempotency
from tests.api.client import open_client
from tests.api.emess.sample import BULK, SEND, TOKEN, EmessClient, error_message, many, one, run_with_api
from tests.world import RecordingLanes, World


def test_an_unknown_path_is_404_and_there_is_no_status_to_read(world: World) -> None:
    async def story(api: EmessClient) -> None:
        sent = (await api.send()).json()
        paths = ["/api/v0", "/api/v0/", f"{SEND}/", f"{BULK}/x", "/api/v0/auth", f"/api/v0/sms/{sent['id']}"]
        for path in [*paths, f"/api/v0/batch/{sent['batchId']}"]:
            response = await api.http.get(path)
            assert (response.status_code, error_message(response)) == (404, "Not Found"), path

    run_with_api(world, story)


@pytest.mark.parametrize("path", [TOKEN, SEND, BULK])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_wrong_method_is_405_and_names_the_right_one(world: World, method: str, path: str) -> None:
    async def story(api: EmessClient) -> None:
        response = await api.http.request(method, path)
        assert (response.status_code, error_message(response)) == (405, "Method Not Allowed")
        assert response.headers["allow"] == "POST"

    run_with_api(world, story)


def test_too_large_a_body_is_413_also_for_a_token(settings: Settings) -> None:
    async def story(api: EmessClient) -> None:
        response = await api.http.post(TOKEN, json=api.pair(note="x" * 3000))
        assert (response.status_code, error_message(response)) == (413, "The body is larger than 2048 bytes")

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b'{"appId": "' + b"x" * 1000

        response = await api.http.post(TOKEN, content=chunks())
        assert (response.status_code, error_message(response)) == (413, "The body is larger than 2048 bytes")

    run_with_api(World(settings.model_copy(update={"body_limit": 2048})), story)


def test_while_postgres_is_away_it_is_503_with_retry_after(settings: Settings) -> None:
    async def story(api: EmessClient) -> None:
        token = api.http.headers["Authorization"]
        url = SecretStr("postgresql://nobody@127.0.0.1:1/none")
        away = World(api.world.settings.model_copy(update={"database_url": url}))
        async with away.open(), open_client(away, Authorization=token) as client:
            for path, body in ((TOKEN, api.pair()), (SEND, one()), (BULK, many())):
                response = await client.post(path, json=body)
                assert response.status_code == 503
                assert response.headers["retry-after"] == "5"
                assert error_message(response) == "the database cannot be reached; try again"

    run_with_api(World(settings), story)


def test_a_brake_is_429_with_retry_after(settings: Settings) -> None:
    async def story(api: EmessClient) -> None:
        assert (await api.send()).status_code == 200
        response = await api.send()
        assert (response.status_code, response.headers["retry-after"]) == (429, "60")
        assert error_message(response) == "+2547****5678 was sent the same text 0 seconds ago"

    run_with_api(World(settings.model_copy(update={"repeat_window": 60})), story)


def test_while_redis_is_away_a_message_is_accepted_all_the_same(settings: Settings) -> None:
    async def story(api: EmessClient) -> None:
        assert (await api.send()).status_code == 200
        assert (await api.bulk()).status_code == 200

    run_with_api(World(settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0")})), story)


@pytest.mark.parametrize("path", [SEND, BULK])
def test_a_bug_is_500_and_shows_no_details(world: World, path: str) -> None:
    async def story(api: EmessClient) -> None:
        await world.all("ALTER TABLE opt_outs RENAME TO away")
        try:
            response = await api.http.post(path, json=one() | many())
        finally:
            await world.all("ALTER TABLE away RENAME TO opt_outs")
        assert (response.status_code, error_message(response)) == (500, "Failed to send SMS")

    run_with_api(world, story)


class _BrokenLanes(RecordingLanes):
    def publish(self, tier: Tier, ids: Sequence[int]) -> None:
        raise RuntimeError("a bug of ours")


@pytest.mark.parametrize("path", [SEND, BULK])
def test_a_bug_after_the_commit_does_not_hide_that_the_messages_are_accepted(world: World, path: str) -> None:
    """A client that got 500 would submit them again, and they would be sent twice."""
    world.lanes = _BrokenLanes()

    async def story(api: EmessClient) -> None:
        assert (await api.http.post(path, json=one() | many())).status_code == 200
        assert await api.rows() > 0

    run_with_api(world, story)


def test_while_the_first_request_with_a_key_runs_the_second_is_409(world: World) -> None:
    async def story(api: EmessClient) -> None:
        async def first(connection: AsyncConnection) -> httpx.Response:
            account_id = api.world.caller.account.id
            assert await idempotency.lock(connection, account_id, "emess", "order-1")
            return await api.http.post(SEND, json=one(), headers={"Idempotency-Key": "order-1"})

        response = await api.world.ctx.database.transact(first)
        assert response.status_code == 409
        assert (
            error_message(response) == "the first request with this Idempotency-Key has not ended; try again"
        )
        assert await api.rows() == 0

    run_with_api(world, story)
