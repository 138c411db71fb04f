"""SMS Gateway gives out tokens: fewer rights, a quarter of an hour, refreshed once, revoked at once."""

from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest

from dispatcher.settings import Settings
from tests.api.client import ApiClient
from tests.api.smsgate.client import BASE, NOBODY, PATH, SECRET, ask, login, token, with_settings, with_token
from tests.world import World

_URL = f"{BASE}/auth/token"


@pytest.fixture
def world(settings: Settings) -> World:
    return with_settings(settings)


async def _code(desk: ApiClient, access: str) -> int:
    return (await with_token(desk, "GET", PATH, access)).status_code


async def _refresh(desk: ApiClient, secret: str) -> Any:
    return await with_token(desk, "POST", f"{_URL}/refresh", secret)


def test_a_token_is_told_in_the_spelling_of_every_client(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        answer = await token(desk, "messages:list", ttl=60)
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

    ask(world, story)


def test_a_token_does_what_its_scopes_say(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        access = (await token(desk, "messages:list"))["access_token"]
        assert await _code(desk, access) == 200
        assert (await with_token(desk, "GET", f"{PATH}/x", access)).status_code == 403

    ask(world, story)


@pytest.mark.parametrize(
    ("ttl", "seconds"), [(..., 900), (None, 900), (0, 900), (1, 1), (900, 900), (901, 900), (2**64, 900)]
)
def test_a_token_is_good_for_its_ttl_and_never_above_15_minutes(
    world: World, ttl: object, seconds: int
) -> None:
    async def story(desk: ApiClient) -> None:
        more = {} if ttl is ... else {"ttl": ttl}
        access = (await token(desk, "messages:list", **more))["access_token"]
        desk.world.time.advance(timedelta(seconds=seconds - 0.9))
        assert await _code(desk, access) == 200
        desk.world.time.advance(timedelta(seconds=1))
        assert await _code(desk, access) == 401

    ask(world, story)


def test_a_token_is_refreshed_for_30_days(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        first = await token(desk, "messages:list")
        desk.world.time.advance(timedelta(hours=719))
        response = await _refresh(desk, first["refresh_token"])
        assert response.status_code == 201
        second = response.json()
        assert set(second) == set(first)
        assert await _code(desk, second["access_token"]) == 200
        desk.world.time.advance(timedelta(hours=721))
        assert (await _refresh(desk, second["refresh_token"])).status_code == 401

    ask(world, story)


def test_a_refresh_token_that_comes_again_revokes_all_that_came_of_it(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        first = await token(desk, "messages:list")
        second = (await _refresh(desk, first["refresh_token"])).json()
        response = await _refresh(desk, first["refresh_token"])
        assert (response.status_code, response.json()) == (401, {"message": "Unauthorized", "code": 401})
        assert await _code(desk, second["access_token"]) == 401

    ask(world, story)


def test_an_access_token_refreshes_nothing_and_neither_does_a_login(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        first = await token(desk, "all:any")
        assert (await _refresh(desk, first["access_token"])).status_code == 401
        assert (await desk.http.post(f"{_URL}/refresh")).status_code == 401
        desk.http.auth = NOBODY
        assert (await desk.http.post(f"{_URL}/refresh")).status_code == 401

    ask(world, story)


def test_a_revoked_token_is_refused_at_once_and_revoking_again_is_204(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        issued = await token(desk, "messages:list")
        for name in (issued["id"], issued["id"], "unknown", "%00"):
            response = await desk.http.delete(f"{_URL}/{name}")
            assert (response.status_code, response.content) == (204, b"")
            assert "content-type" not in response.headers
        assert await _code(desk, issued["access_token"]) == 401
        assert (await _refresh(desk, issued["refresh_token"])).status_code == 401

    ask(world, story)


def test_another_accounts_token_is_not_revoked(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        issued = await token(desk, "messages:list")
        other = await desk.world.another_account("other")
        desk.http.auth = await login(desk.world, other.account)
        assert (await desk.http.delete(f"{_URL}/{issued['id']}")).status_code == 204
        assert await _code(desk, issued["access_token"]) == 200

    ask(world, story)


@pytest.mark.parametrize("wanted", ["messages:send", "all:any"])
def test_a_token_gives_no_more_rights_than_it_has(world: World, wanted: str) -> None:
    async def story(desk: ApiClient) -> None:
        access = (await token(desk, "tokens:manage", "messages:list"))["access_token"]
        fewer = await with_token(desk, "POST", _URL, access, json={"scopes": ["messages:list"]})
        assert fewer.status_code == 201
        more = await with_token(desk, "POST", _URL, access, json={"scopes": [wanted]})
        assert (more.status_code, more.json()["message"]) == (403, f"scope required: {wanted}")

    ask(world, story)


def test_a_scope_that_nobody_knows_opens_nothing(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        for scope in ("unknown", "*", "messages:*"):
            access = (await token(desk, scope))["access_token"]
            assert await _code(desk, access) == 403, scope

    ask(world, story)


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
    async def story(desk: ApiClient) -> None:
        response = await desk.http.post(_URL, json=body)
        assert (response.status_code, response.json()) == (400, {"message": message, "code": 400})

    ask(world, story)


def test_without_a_secret_there_are_no_tokens(settings: Settings) -> None:
    async def story(desk: ApiClient) -> None:
        told = {"message": "token service disabled, contact your administrator", "code": 501}
        for response in (
            await desk.http.post(_URL, json={"scopes": ["all:any"]}),
            await _refresh(desk, "sms_anything"),
        ):
            assert (response.status_code, response.json()) == (501, told)

    ask(World(settings), story)


def test_a_token_is_kept_by_nobody_on_the_way(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        response = await desk.http.post(_URL, json={"scopes": ["x"]}, headers={"Idempotency-Key": "once"})
        again = await desk.http.post(_URL, json={"scopes": ["x"]}, headers={"Idempotency-Key": "once"})
        assert response.headers["cache-control"] == "no-store"
        assert response.json()["id"] != again.json()["id"]

    ask(world, story)
