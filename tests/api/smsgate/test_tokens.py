"""SMS Gateway issues tokens: limited scopes, 15 minutes, one refresh, immediate revocation."""

from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest

from dispatcher.settings import Settings
from tests.api.client import ApiClient
from tests.api.smsgate.client import (
    BASE,
    NOBODY,
    PATH,
    SECRET,
    login,
    run_with_api,
    token,
    with_settings,
    with_token,
)
from tests.world import World

_URL = f"{BASE}/auth/token"


@pytest.fixture
def world(settings: Settings) -> World:
    return with_settings(settings)


async def _code(api: ApiClient, access: str) -> int:
    return (await with_token(api, "GET", PATH, access)).status_code


async def _refresh(api: ApiClient, secret: str) -> Any:
    return await with_token(api, "POST", f"{_URL}/refresh", secret)


def test_a_token_is_returned_in_the_spelling_of_every_client(world: World) -> None:
    async def story(api: ApiClient) -> None:
        answer = await token(api, "messages:list", ttl=60)
        assert answer["token_type"] == answer["tokenType"] == "Bearer"
        for snake, camel in [
            ("access_token", "accessToken"),
            ("refresh_token", "refreshToken"),
            ("expires_at", "expiresAt"),
        ]:
            assert answer[snake] == answer[camel]
        claims = jwt.decode(answer["access_token"], SECRET, algorithms=["HS256"], audience="smsgate")
        assert claims["jti"] == answer["id"]
        assert datetime.fromisoformat(answer["expires_at"]).timestamp() == claims["exp"]

    run_with_api(world, story)


def test_a_token_may_do_what_its_scopes_allow(world: World) -> None:
    async def story(api: ApiClient) -> None:
        access = (await token(api, "messages:list"))["access_token"]
        assert await _code(api, access) == 200
        assert (await with_token(api, "GET", f"{PATH}/x", access)).status_code == 403

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("ttl", "seconds"), [(..., 900), (None, 900), (0, 900), (1, 1), (900, 900), (901, 900), (2**64, 900)]
)
def test_a_token_is_good_for_its_ttl_and_never_above_15_minutes(
    world: World, ttl: object, seconds: int
) -> None:
    async def story(api: ApiClient) -> None:
        more = {} if ttl is ... else {"ttl": ttl}
        access = (await token(api, "messages:list", **more))["access_token"]
        api.world.time.advance(timedelta(seconds=seconds - 0.9))
        assert await _code(api, access) == 200
        api.world.time.advance(timedelta(seconds=1))
        assert await _code(api, access) == 401

    run_with_api(world, story)


def test_a_token_is_refreshed_for_30_days(world: World) -> None:
    async def story(api: ApiClient) -> None:
        first = await token(api, "messages:list")
        api.world.time.advance(timedelta(hours=719))
        response = await _refresh(api, first["refresh_token"])
        assert response.status_code == 201
        second = response.json()
        assert set(second) == set(first)
        assert await _code(api, second["access_token"]) == 200
        api.world.time.advance(timedelta(hours=721))
        assert (await _refresh(api, second["refresh_token"])).status_code == 401

    run_with_api(world, story)


def test_a_refresh_token_that_comes_again_revokes_all_that_came_of_it(world: World) -> None:
    async def story(api: ApiClient) -> None:
        first = await token(api, "messages:list")
        second = (await _refresh(api, first["refresh_token"])).json()
        response = await _refresh(api, first["refresh_token"])
        assert (response.status_code, response.json()) == (401, {"message": "Unauthorized", "code": 401})
        assert await _code(api, second["access_token"]) == 401

    run_with_api(world, story)


def test_neither_an_access_token_nor_a_login_can_refresh(world: World) -> None:
    async def story(api: ApiClient) -> None:
        first = await token(api, "all:any")
        assert (await _refresh(api, first["access_token"])).status_code == 401
        assert (await api.http.post(f"{_URL}/refresh")).status_code == 401
        api.http.auth = NOBODY
        assert (await api.http.post(f"{_URL}/refresh")).status_code == 401

    run_with_api(world, story)


def test_a_revoked_token_is_refused_at_once_and_revoking_again_is_204(world: World) -> None:
    async def story(api: ApiClient) -> None:
        issued = await token(api, "messages:list")
        for name in (issued["id"], issued["id"], "unknown", "%00"):
            response = await api.http.delete(f"{_URL}/{name}")
            assert (response.status_code, response.content) == (204, b"")
            assert "content-type" not in response.headers
        assert await _code(api, issued["access_token"]) == 401
        assert (await _refresh(api, issued["refresh_token"])).status_code == 401

    run_with_api(world, story)


def test_another_accounts_token_is_not_revoked(world: World) -> None:
    async def story(api: ApiClient) -> None:
        issued = await token(api, "messages:list")
        other = await api.world.another_account("other")
        api.http.auth = await login(api.world, other.account)
        assert (await api.http.delete(f"{_URL}/{issued['id']}")).status_code == 204
        assert await _code(api, issued["access_token"]) == 200

    run_with_api(world, story)


@pytest.mark.parametrize("wanted", ["messages:send", "all:any"])
def test_a_token_gives_no_more_rights_than_it_has(world: World, wanted: str) -> None:
    async def story(api: ApiClient) -> None:
        access = (await token(api, "tokens:manage", "messages:list"))["access_token"]
        fewer = await with_token(api, "POST", _URL, access, json={"scopes": ["messages:list"]})
        assert fewer.status_code == 201
        more = await with_token(api, "POST", _URL, access, json={"scopes": [wanted]})
        assert (more.status_code, more.json()["message"]) == (403, f"scope required: {wanted}")

    run_with_api(world, story)


def test_an_unknown_scope_has_no_effect(world: World) -> None:
    async def story(api: ApiClient) -> None:
        for scope in ("unknown", "*", "messages:*"):
            access = (await token(api, scope))["access_token"]
            assert await _code(api, access) == 403, scope

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "scopes must have 1 to 100 entries, not 0"),
        ({"scopes": []}, "scopes must have 1 to 100 entries, not 0"),
        ({"scopes": "all:any"}, "scopes must be an array"),
        ({"scopes": [1]}, "scopes must contain only strings"),
        ({"scopes": [""]}, "the entries of scopes must have 1 to 100 characters"),
        ({"scopes": ["a\x00"]}, "scopes must be printable"),
        ({"scopes": ["x"], "ttl": -1}, "ttl must be an integer of at least 0"),
        ({"scopes": ["x"], "ttl": "60"}, "ttl must be an integer of at least 0"),
    ],
)
def test_a_faulty_request_is_400(world: World, body: dict[str, object], message: str) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(_URL, json=body)
        assert (response.status_code, response.json()) == (400, {"message": message, "code": 400})

    run_with_api(world, story)


def test_without_a_secret_there_are_no_tokens(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        result = {"message": "token service disabled, contact your administrator", "code": 501}
        for response in (
            await api.http.post(_URL, json={"scopes": ["all:any"]}),
            await _refresh(api, "sms_anything"),
        ):
            assert (response.status_code, response.json()) == (501, result)

    run_with_api(World(settings), story)


def test_a_token_may_not_be_stored_by_caches(world: World) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(_URL, json={"scopes": ["x"]}, headers={"Idempotency-Key": "once"})
        again = await api.http.post(_URL, json={"scopes": ["x"]}, headers={"Idempotency-Key": "once"})
        assert response.headers["cache-control"] == "no-store"
        assert response.json()["id"] != again.json()["id"]

    run_with_api(world, story)
