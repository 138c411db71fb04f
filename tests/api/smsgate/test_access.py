"""SMS Gateway asks for a login or a token before all else."""

from base64 import b64encode

import pytest

from dispatcher.domain.accounts.account import AccountLimits
from dispatcher.service.accounts import accounts
from dispatcher.settings import Settings
from tests.api.client import ApiClient
from tests.api.smsgate.client import BASE, NOBODY, PATH, ask, body, login, token, with_settings, with_token
from tests.world import World

_WHO = {"message": "Unauthorized", "code": 401}


def _basic(text: str) -> str:
    return "Basic " + b64encode(text.encode("latin-1")).decode()


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "Basic",
        "Basic ???",
        _basic("no colon"),
        _basic("login:wrong"),
        _basic("\x00:secret"),
        _basic("\xff:secret"),
        _basic(":"),
        "Bearer",
        "Bearer wrong",
        "Bearer a.b.c",
        "bearer \xff",
        "Code 123456",
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", ""), ("GET", "?limit=x"), ("DELETE", "/x")])
@pytest.mark.parametrize("has_tokens", [True, False])
def test_without_a_good_credential_it_is_401_before_anything_is_judged(
    settings: Settings, method: str, path: str, value: str | None, has_tokens: bool
) -> None:
    async def story(desk: ApiClient) -> None:
        headers = [(b"Authorization", value.encode("latin-1"))] if value is not None else []
        desk.http.auth = NOBODY
        response = await desk.http.request(method, PATH + path, content=b"not json", headers=headers)
        assert (response.status_code, response.json()) == (401, _WHO)
        assert response.headers["www-authenticate"] == 'Basic realm="SMS Gateway", Bearer'

    ask(with_settings(settings) if has_tokens else World(settings), story)


@pytest.mark.parametrize("scheme", ["basic", "Basic", "BASIC"])
def test_the_scheme_may_be_in_any_case(world: World, scheme: str) -> None:
    async def story(desk: ApiClient) -> None:
        sent = await desk.http.get(PATH)
        value = sent.request.headers["Authorization"].replace("Basic", scheme)
        desk.http.auth = NOBODY
        assert (await desk.http.get(PATH, headers={"Authorization": value})).status_code == 200

    ask(world, story)


_SCOPES = [
    ("POST", "/messages", "messages:send"),
    ("GET", "/messages", "messages:list"),
    ("GET", "/messages/x", "messages:read"),
    ("DELETE", "/messages/x", "messages:cancel"),
    ("POST", "/messages/inbox/export", "messages:export"),
    ("POST", "/message", "messages:send"),
    ("GET", "/devices", "devices:list"),
    ("DELETE", "/devices/x", "devices:delete"),
    ("GET", "/webhooks", "webhooks:list"),
    ("POST", "/webhooks", "webhooks:write"),
    ("DELETE", "/webhooks/x", "webhooks:delete"),
    ("GET", "/settings", "settings:read"),
    ("PUT", "/settings", "settings:write"),
    ("PATCH", "/settings", "settings:write"),
    ("GET", "/inbox", "inbox:list"),
    ("POST", "/inbox/refresh", "inbox:refresh"),
    ("GET", "/logs", "logs:read"),
    ("POST", "/auth/token", "tokens:manage"),
    ("DELETE", "/auth/token/x", "tokens:manage"),
]


def test_each_route_asks_for_its_scope(settings: Settings) -> None:
    async def story(desk: ApiClient) -> None:
        nothing = (await token(desk, "nothing:known"))["access_token"]
        for method, path, scope in _SCOPES:
            response = await with_token(desk, method, BASE + path, nothing, content=b"not json")
            assert response.status_code == 403, path
            assert response.json() == {"message": f"scope required: {scope}", "code": 403}
            enough = (await token(desk, scope))["access_token"]
            response = await with_token(desk, method, BASE + path, enough, content=b"{}")
            assert response.status_code not in (401, 403), path

    ask(with_settings(settings), story)


def test_the_scope_for_everything_opens_everything(settings: Settings) -> None:
    async def story(desk: ApiClient) -> None:
        access = (await token(desk, "all:any"))["access_token"]
        assert (await with_token(desk, "POST", PATH, access, json=body())).status_code == 200
        assert (await with_token(desk, "GET", f"{BASE}/settings", access)).status_code == 200

    ask(with_settings(settings), story)


def test_beyond_the_rate_limit_it_is_429_with_retry_after(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        await accounts.set_limits(desk.world.ctx, desk.world.caller.account, AccountLimits(rate=2))
        answers = [await desk.http.get(PATH) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[-1].json() == {"message": "too many requests", "code": 429}
        assert int(answers[-1].headers["retry-after"]) > 0

    ask(world, story)


def test_guessing_logins_ends_in_429(settings: Settings) -> None:
    async def story(desk: ApiClient) -> None:
        desk.http.auth = ("login", "wrong")
        codes = [(await desk.http.get(PATH)).status_code for _ in range(4)]
        assert codes == [401, 401, 401, 429]

    ask(with_settings(settings, address_rate_limit=3), story)


def test_a_paused_account_may_not_send(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        await accounts.pause(desk.world.ctx, desk.world.caller.account)
        response = await desk.http.post(PATH, json=body())
        assert (response.status_code, response.json()["code"]) == (403, 403)
        assert await desk.rows() == 0

    ask(world, story)


def test_a_login_of_another_account_sees_nothing_of_ours(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        await desk.http.post(PATH, json=body())
        other = await desk.world.another_account("other")
        desk.http.auth = await login(desk.world, other.account)
        response = await desk.http.get(PATH)
        assert (response.json(), response.headers["x-total-count"]) == ([], "0")

    ask(world, story)
