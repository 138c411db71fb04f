"""eMsgNow keeps its envelope in every other failure."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from dispatcher.domain.accounts.account import AccountLimits
from dispatcher.service.accounts import accounts
from dispatcher.settings import Settings
from tests.api.client import ApiClient, open_client
from tests.api.emsgnow.sample import JSON, PATH, QUOTA, TO, body, run_with_api, send
from tests.world import World


@asynccontextmanager
async def _broken(api: ApiClient) -> AsyncIterator[None]:
    """Take a table away, which is a fault of ours that no code expects."""
    await api.world.all("ALTER TABLE message_events RENAME TO taken_away")
    try:
        yield
    finally:
        await api.world.all("ALTER TABLE taken_away RENAME TO message_events")


def test_without_credit_it_is_402_and_nothing_is_stored(world: World) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(PATH, json=body(message="🙂" * 100))
        assert response.status_code == 402
        assert response.json() == {"error": "the balance does not cover this submission; nothing was stored"}
        assert response.headers["content-type"] == JSON
        assert await api.rows() == 0
        await send(api)
        assert await api.world.balance() == 0

    run_with_api(world, story, credits=1)


def test_an_unknown_path_is_404_in_the_envelope(world: World) -> None:
    async def story(api: ApiClient) -> None:
        for path in (f"{PATH}/", f"{PATH}/x/", f"{PATH}/x/y", f"{PATH}/x/events/", f"{PATH}/x/events/y/z"):
            response = await api.http.get(path)
            assert (response.status_code, response.json()) == (404, {"error": "Not Found"}), path
            assert response.headers["content-type"] == JSON

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", PATH, "POST"),
        ("OPTIONS", PATH, "POST"),
        ("DELETE", f"{PATH}/x", "GET"),
        ("POST", f"{PATH}/x/events", "GET"),
        ("PATCH", f"{PATH}/x/events/y", "GET"),
    ],
)
def test_a_wrong_method_is_405_and_names_the_right_ones(
    world: World, method: str, path: str, allowed: str
) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.request(method, path)
        assert (response.status_code, response.headers["allow"]) == (405, allowed)
        assert response.json() == {"error": "Method Not Allowed"}

    run_with_api(world, story)


def test_too_large_a_body_is_413_in_the_envelope(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(PATH, json=body(message="x" * 3000))
        assert response.status_code == 413
        assert response.json() == {"error": "The body is larger than 2048 bytes"}
        assert set(QUOTA) <= set(response.headers)
        assert await api.rows() == 0

    run_with_api(World(settings.model_copy(update={"body_limit": 2048})), story)


def test_a_fault_of_ours_is_500_with_the_documents_message_and_nothing_is_stored(world: World) -> None:
    async def story(api: ApiClient) -> None:
        tracking_id = await send(api)
        kept = await api.rows()
        path = f"{PATH}/{tracking_id}"
        async with _broken(api):
            sent = await api.http.post(PATH, json=body())
            assert (sent.status_code, sent.json()) == (500, {"error": "Failed to send SMS"})
            for read in (path, f"{path}/events", f"{path}/events/{tracking_id}-1"):
                response = await api.http.get(read)
                assert response.status_code == 500
                assert response.json() == {"error": "Failed to retrieve SMS status"}
                assert response.headers["content-type"] == JSON
                assert set(QUOTA) <= set(response.headers)
        assert await api.rows() == kept

    run_with_api(world, story)


def test_while_postgres_is_away_it_is_503_with_retry_after(settings: Settings) -> None:
    away = World(
        settings.model_copy(update={"database_url": SecretStr("postgresql://nobody@127.0.0.1:1/none")})
    )

    async def story() -> None:
        async with away.open(), open_client(away, **{"x-api-key": "key"}) as client:
            for method, path, error in [
                ("POST", PATH, "Failed to send SMS"),
                ("GET", f"{PATH}/x", "Failed to retrieve SMS status"),
                ("GET", f"{PATH}/x/events", "Failed to retrieve SMS status"),
                ("GET", f"{PATH}/x/events/y", "Failed to retrieve SMS status"),
            ]:
                response = await client.request(method, path, content=b"{}")
                assert (response.status_code, response.json()) == (503, {"error": error})
                assert response.headers["retry-after"] == "5"
                assert set(QUOTA) <= set(response.headers)

    asyncio.run(story())


def test_the_daily_cap_is_429_with_its_own_message(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await accounts.set_limits(api.world.ctx, api.world.caller.account, AccountLimits(daily=1))
        await send(api)
        response = await api.http.post(PATH, json=body())
        assert response.status_code == 429
        assert response.json() == {"error": "the account may send 1 messages a day"}
        assert int(response.headers["retry-after"]) > 0

    run_with_api(world, story)


def test_the_same_text_again_is_429_if_the_setting_limits_it(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        await send(api)
        response = await api.http.post(PATH, json=body())
        assert response.status_code == 429
        assert TO not in response.text

    run_with_api(World(settings.model_copy(update={"repeat_window": 60})), story)


def test_without_redis_sms_are_still_accepted(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(PATH, json=body())
        assert response.status_code == 200
        assert response.headers["x-ratelimit-limit"] == "6000"

    run_with_api(World(settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0")})), story)
