"""SMS Gateway keeps its envelope in every other failure."""

import asyncio

import pytest
from pydantic import SecretStr

from dispatcher.settings import Settings
from tests.api.client import ApiClient, open_client
from tests.api.smsgate.client import BASE, PATH, body, run_with_api, with_settings
from tests.world import World


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/settings/x", "/auth", "/health/x", "/inbox/x"])
@pytest.mark.parametrize("base", [BASE, "/3rdparty/v1"])
def test_an_unknown_path_is_404_in_the_envelope(world: World, base: str, path: str) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.get(base + path)
        assert (response.status_code, response.json()) == (404, {"message": "Not Found", "code": 404})
        assert response.headers["link"] == '</.well-known/api-catalog>; rel="api-catalog"'

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/messages", "GET, POST"),
        ("POST", "/messages/x", "DELETE, GET"),
        ("POST", "/devices", "GET"),
        ("GET", "/webhooks/x", "DELETE"),
        ("POST", "/settings", "GET, PATCH, PUT"),
        ("GET", "/auth/token", "POST"),
        ("POST", "/health", "GET"),
        ("GET", "/inbox/refresh", "POST"),
    ],
)
def test_a_wrong_method_is_405_and_names_the_right_ones(
    world: World, method: str, path: str, allowed: str
) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.request(method, BASE + path)
        assert (response.status_code, response.json()) == (
            405,
            {"message": "Method Not Allowed", "code": 405},
        )
        assert response.headers["allow"] == allowed

    run_with_api(world, story)


def test_too_large_a_body_is_413_in_the_envelope(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(PATH, json=body(textMessage={"text": "x" * 3000}))
        assert response.status_code == 413
        assert response.json() == {"message": "The body is larger than 2048 bytes", "code": 413}
        assert await api.rows() == 0

    run_with_api(with_settings(settings, body_limit=2048), story)


@pytest.mark.parametrize("path", ["/messages", "/webhooks", "/settings", "/auth/token", "/inbox/refresh"])
@pytest.mark.parametrize("kind", ["text/xml", "multipart/form-data; boundary=x"])
def test_a_body_with_a_media_type_other_than_json_is_415(world: World, path: str, kind: str) -> None:
    async def story(api: ApiClient) -> None:
        method = "PUT" if path == "/settings" else "POST"
        headers = {"Content-Type": kind}
        response = await api.http.request(method, BASE + path, content=b"<a/>", headers=headers)
        kind_told = kind.partition(";")[0]
        assert (response.status_code, response.json()) == (
            415,
            {"message": f"The body must be JSON, not {kind_told}", "code": 415},
        )

    run_with_api(world, story)


def test_a_bug_is_500_and_shows_no_details(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await api.world.all("ALTER TABLE webhooks RENAME TO gone")
        try:
            response = await api.http.get(f"{BASE}/webhooks")
        finally:
            await api.world.all("ALTER TABLE gone RENAME TO webhooks")
        assert (response.status_code, response.json()) == (
            500,
            {"message": "Internal server error", "code": 500},
        )

    run_with_api(world, story)


def test_while_postgres_is_away_it_is_503_with_retry_after(settings: Settings) -> None:
    url = SecretStr("postgresql://nobody@127.0.0.1:1/none")
    away = with_settings(settings, database_url=url)

    async def story() -> None:
        async with away.open(), open_client(away) as client:
            client.auth = ("login", "secret")
            for method, path in [("POST", PATH), ("GET", PATH), ("DELETE", f"{PATH}/x")]:
                response = await client.request(method, path, content=b"{}")
                assert response.status_code == 503
                assert response.headers["retry-after"] == "5"
                assert response.json() == {
                    "message": "the database cannot be reached; try again",
                    "code": 503,
                }
            assert (await client.get(f"{BASE}/health")).status_code == 503
            assert (await client.get(f"{BASE}/health/live")).status_code == 200

    asyncio.run(story())
