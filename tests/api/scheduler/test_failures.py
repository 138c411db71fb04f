"""SMS Scheduler keeps its envelope in every other failure."""

import asyncio

import pytest
from pydantic import SecretStr

from dispatcher.settings import Settings
from tests.api.client import ApiClient, open_client, run_with_api
from tests.api.scheduler.sample import (
    PATH,
    body,
)
from tests.world import World


def test_an_unknown_path_is_404_in_the_envelope(world: World) -> None:
    async def story(api: ApiClient) -> None:
        for path in ("/api/v1", "/api/v1/", "/api/v1/nothing", f"{PATH}/", f"{PATH}/1/", f"{PATH}/1/2"):
            response = await api.http.get(path)
            assert (response.status_code, list(response.json())) == (404, ["errors"]), path

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", PATH, "POST"),
        ("PUT", f"{PATH}/1", "DELETE, GET"),
        ("POST", "/api/v1/message/1", "DELETE, GET"),
    ],
)
def test_a_wrong_method_is_405_and_names_the_right_ones(
    world: World, method: str, path: str, allowed: str
) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.request(method, path)
        assert response.status_code == 405
        assert response.json() == {"errors": {"method": ["Method Not Allowed"]}}
        assert response.headers["allow"] == allowed

    run_with_api(world, story)


def test_too_large_a_body_is_413_in_the_envelope(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(PATH, json=body(api, message_text="x" * 3000))
        assert response.status_code == 413
        assert response.json() == {"errors": {"body": ["The body is larger than 2048 bytes"]}}
        assert await api.rows() == 0

    run_with_api(World(settings.model_copy(update={"bulk_body_limit": 2048})), story)


def test_while_postgres_is_away_it_is_503_with_retry_after(settings: Settings) -> None:
    away = World(
        settings.model_copy(update={"database_url": SecretStr("postgresql://nobody@127.0.0.1:1/none")})
    )

    async def story() -> None:
        async with away.open(), open_client(away, Authorization="Bearer key") as client:
            for method, path in [("POST", PATH), ("GET", f"{PATH}/1"), ("DELETE", "/api/v1/message/1")]:
                response = await client.request(method, path, content=b"{}")
                assert response.status_code == 503
                assert response.headers["retry-after"] == "5"
                assert response.json() == {
                    "errors": {"server": ["the database cannot be reached; try again"]}
                }

    asyncio.run(story())
