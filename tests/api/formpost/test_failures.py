"""Both surfaces keep their envelope in every other failure, and every answer has the same headers."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from dispatcher.settings import Settings
from tests.api.client import open_client
from tests.api.formpost.client import BALANCE, KEYS, SAMPLE, V1, V2, FormpostClient, run_with_api
from tests.world import World


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/sms", {"error": "Not Found."}),
        (f"{V1}/", {"error": "Not Found."}),
        ("/api/v1/sms/send/1", {"error": "Not Found."}),
        ("/api/v2/", {"message": "Not Found"}),
        ("/api/v2/nothing", {"message": "Not Found"}),
        (f"{KEYS[0]}/x", {"message": "Not Found"}),
    ],
)
def test_an_unknown_path_is_404_in_the_envelope_of_its_surface(
    world: World, path: str, body: dict[str, str]
) -> None:
    async def story(api: FormpostClient) -> None:
        response = await api.http.get(path)
        assert (response.status_code, response.json()) == (404, body)
        assert response.headers["content-type"] == "application/json"
        assert response.headers["cache-control"] == "no-cache, private"

    run_with_api(world, story)


def test_below_a_prefix_each_surface_keeps_its_envelope(settings: Settings) -> None:
    async def story(api: FormpostClient) -> None:
        for path, body in [
            (V1, {"error": "Method Not Allowed."}),
            ("/api/v1/sms/send/1", {"error": "Not Found."}),
            ("/api/v2/nothing", {"message": "Not Found"}),
        ]:
            response = await api.http.get(f"/moved{path}")
            assert response.json() == body

    run_with_api(World(settings.model_copy(update={"dialect_prefixes": {"formpost": "/moved"}})), story)


@pytest.mark.parametrize(
    ("method", "path", "name", "allowed"),
    [
        ("GET", V1, "error", "OPTIONS, POST"),
        ("GET", "/api/v1/sms/send", "error", "OPTIONS, POST"),
        ("PUT", V2, "message", "GET, OPTIONS, POST"),
        ("POST", BALANCE, "message", "GET, OPTIONS"),
        ("GET", KEYS[0], "message", "OPTIONS, POST"),
        ("DELETE", "/api/v2", "message", "GET, OPTIONS"),
    ],
)
def test_a_wrong_method_is_405_and_names_the_right_ones(
    world: World, method: str, path: str, name: str, allowed: str
) -> None:
    async def story(api: FormpostClient) -> None:
        response = await api.http.request(method, path)
        assert response.status_code == 405
        assert response.json()[name].startswith("Method Not Allowed")
        assert response.headers["allow"] == allowed

    run_with_api(world, story)


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", "application/xml", "text/xml"])
def test_multipart_and_xml_are_415(world: World, content_type: str) -> None:
    async def story(api: FormpostClient) -> None:
        headers = {"Content-Type": content_type, **api.key}
        kind = content_type.partition(";")[0]
        text = f"The body must be a form or JSON, not {kind}"
        for path, body in [
            (V1, {"error": f"{text}."}),
            (V2, {"message": text}),
            (KEYS[1], {"message": text}),
        ]:
            response = await api.http.post(path, params=api.user, headers=headers, content=b"x")
            assert (response.status_code, response.json()) == (415, body)

    run_with_api(world, story)


def test_a_body_that_is_neither_a_form_nor_json_is_400(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        headers = {"Content-Type": "text/plain", **api.key}
        text = "The body must be a form or a JSON object"
        for path, body in [(V1, {"error": f"{text}."}), (V2, {"message": text})]:
            response = await api.http.post(path, params=api.user, headers=headers, content=b"x")
            assert (response.status_code, response.json()) == (400, body)

    run_with_api(world, story)


@pytest.mark.parametrize("streamed", [False, True])
def test_too_large_a_body_is_413_in_the_envelope_of_its_surface(settings: Settings, streamed: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b"x" * 100

    async def story(api: FormpostClient) -> None:
        text = "The body is larger than 2048 bytes"
        for path, body in [(V1, {"error": f"{text}."}), (V2, {"message": text})]:
            response = await api.http.post(path, content=chunks() if streamed else b"x" * 3000)
            assert (response.status_code, response.json()) == (413, body)
            assert response.headers["access-control-allow-origin"] == "*"

    run_with_api(World(settings.model_copy(update={"bulk_body_limit": 2048})), story)


def test_a_crash_is_server_error_without_details(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        await world.all("ALTER TABLE opt_outs RENAME TO away")
        try:
            form, keyed = await api.form(), await api.keyed()
        finally:
            await world.all("ALTER TABLE away RENAME TO opt_outs")
        assert (form.status_code, form.json()) == (500, {"error": "Server Error."})
        assert (keyed.status_code, keyed.json()) == (500, {"message": "Server Error"})
        assert keyed.headers["cache-control"] == "no-cache, private"

    run_with_api(world, story)


def test_while_postgres_is_away_it_is_503_with_retry_after(settings: Settings) -> None:
    away = World(
        settings.model_copy(update={"database_url": SecretStr("postgresql://nobody@127.0.0.1:1/none")})
    )

    async def story() -> None:
        pair = {"username": "u", "password": "p"}
        async with away.open(), open_client(away) as client:
            form = await client.post(V1, data=SAMPLE | pair)
            keyed = await client.get(BALANCE, headers={"X-API-Key": "k"})
            for response in (form, keyed):
                assert (response.status_code, response.headers["retry-after"]) == (503, "5")
            assert form.json() == {"error": "The database cannot be reached; try again."}
            assert keyed.json() == {"message": "The database cannot be reached; try again"}

    asyncio.run(story())
