"""Emess issues a token for an application's id and secret, as in its document (000)."""

import json
from datetime import timedelta
from typing import Any

import jwt
import pytest

from dispatcher.settings import Settings
from tests.api.client import open_client
from tests.api.emess.sample import (
    JSON,
    JWT_SECRET,
    TOKEN,
    EmessClient,
    application,
    error_message,
    run_with_api,
)
from tests.world import World


def test_id_and_secret_get_a_token_and_nothing_else(world: World) -> None:
    async def story(api: EmessClient) -> None:
        response = await api.http.post(TOKEN, json=api.pair())
        assert (response.status_code, response.headers["content-type"]) == (200, JSON)
        assert list(response.json()) == ["token"]
        assert response.json()["token"].count(".") == 2

    run_with_api(world, story)


def test_the_token_names_its_application_and_expires_after_an_hour(world: World) -> None:
    async def story(api: EmessClient) -> None:
        token = (await api.http.post(TOKEN, json=api.pair())).json()["token"]
        claims = jwt.decode(
            token, JWT_SECRET, algorithms=["HS256"], audience="emess", options={"verify_iat": False}
        )
        assert (claims["sub"], claims["org"]) == (api.app.name, "shop")
        assert claims["exp"] - claims["iat"] == 3600
        assert claims["jti"]

    run_with_api(world, story)


def test_the_validity_of_a_token_is_a_setting(settings: Settings) -> None:
    async def story(api: EmessClient) -> None:
        api.world.time.advance(timedelta(seconds=59))
        assert (await api.send()).status_code == 200
        api.world.time.advance(timedelta(seconds=2))
        assert (await api.send()).status_code == 401

    run_with_api(World(settings.model_copy(update={"token_validity": 60})), story)


@pytest.mark.parametrize(
    "changed",
    [
        {"appId": ...},
        {"secretKey": ...},
        {"appId": ..., "secretKey": ...},
        {"appId": ""},
        {"secretKey": ""},
        {"appId": None},
        {"secretKey": 5},
        {"appId": ["app"]},
        {"secretKey": {"a": "b"}},
        {"appId": True},
    ],
)
def test_a_missing_empty_or_untextual_id_or_secret_is_400(world: World, changed: dict[str, Any]) -> None:
    async def story(api: EmessClient) -> None:
        response = await api.http.post(TOKEN, json=api.pair(**changed))
        assert (response.status_code, error_message(response)) == (400, "Missing appId or secretKey")

    run_with_api(world, story)


@pytest.mark.parametrize("raw", [b"", b"{", b"appId=a&secretKey=b", b"\xff", b"[]", b'"text"', b"null", b"5"])
def test_a_body_without_an_object_misses_both(world: World, raw: bytes) -> None:
    async def story(api: EmessClient) -> None:
        response = await api.http.post(TOKEN, content=raw)
        assert (response.status_code, error_message(response)) == (400, "Missing appId or secretKey")

    run_with_api(world, story)


@pytest.mark.parametrize(
    "changed",
    [
        {"appId": "app_0"},
        {"secretKey": "wrong"},
        {"appId": "a\x00b"},
        {"appId": "\ud800"},
        {"secretKey": "\ud800\x00"},
        {"appId": "x" * 60_000},
    ],
)
def test_a_wrong_id_or_secret_is_401_whichever_it_is(world: World, changed: dict[str, Any]) -> None:
    async def story(api: EmessClient) -> None:
        response = await api.http.post(TOKEN, content=json.dumps(api.pair(**changed)))
        assert (response.status_code, error_message(response)) == (401, "Invalid credentials")
        assert response.headers["www-authenticate"] == "Bearer"

    run_with_api(world, story)


def test_a_revoked_or_expired_application_gets_no_token(world: World) -> None:
    async def story(api: EmessClient) -> None:
        await api.world.all("UPDATE credentials SET revoked_at = now()")
        assert (await api.http.post(TOKEN, json=api.pair())).status_code == 401
        brief = await application(api.world, api.world.caller.account, validity=timedelta(minutes=1))
        pair = {"appId": brief.name, "secretKey": brief.secret}
        assert (await api.http.post(TOKEN, json=pair)).status_code == 200
        api.world.time.advance(timedelta(minutes=2))
        response = await api.http.post(TOKEN, json=pair)
        assert (response.status_code, error_message(response)) == (401, "Invalid credentials")

    run_with_api(world, story)


def test_without_a_signing_secret_it_is_500(settings: Settings) -> None:
    unsigned = World(settings.model_copy(update={"jwt_secret": None}))

    async def story() -> None:
        app = await application(unsigned, unsigned.caller.account)
        async with open_client(unsigned) as http:
            response = await http.post(TOKEN, json={"appId": app.name, "secretKey": app.secret})
        assert (response.status_code, error_message(response)) == (500, "Server configuration error")

    unsigned.run(story)


def test_guessing_secrets_has_an_end_and_it_is_429(settings: Settings) -> None:
    async def story(api: EmessClient) -> None:
        guess = api.pair(secretKey="guess")
        answers = [await api.http.post(TOKEN, json=guess) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [401, 401, 429]
        assert error_message(answers[2]) == "too many failed logins"
        assert int(answers[2].headers["retry-after"]) >= 1
        assert (await api.http.post(TOKEN, json=api.pair())).status_code == 200

    run_with_api(World(settings.model_copy(update={"address_rate_limit": 2})), story)


def test_unknown_fields_are_ignored_and_the_content_type_is_not_looked_at(world: World) -> None:
    async def story(api: EmessClient) -> None:
        for content_type in ("application/json", "application/x-www-form-urlencoded", "text/plain"):
            body = api.http.build_request("POST", TOKEN, json=api.pair(scope="all")).content
            headers = {"Content-Type": content_type}
            assert (await api.http.post(TOKEN, content=body, headers=headers)).status_code == 200

    run_with_api(world, story)
