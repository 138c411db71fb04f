"""SMS Gateway authenticates a login or a token before anything else."""

from base64 import b64encode

import pytest

from dispatcher.domain.accounts.account import AccountLimits
from dispatcher.service.accounts import accounts
from dispatcher.settings import Settings
from tests.api.client import ApiClient
from tests.api.smsgate.client import (
    BASE,
    NOBODY,
    PATH,
    body,
    login,
    run_with_api,
    token,
    with_settings,
    with_token,
)
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
def test_without_a_valid_credential_it_is_401_before_anything_is_validated(
    settings: Settings, method: str, path: str, value: str | None, has_tokens: bool
) -> None:
    async def story(api: ApiClient) -> None:
        headers = [(b"Authorization", value.encode("latin-1"))] if value is not None else []
        api.http.auth = NOBODY
        response = await api.http.request(method, PATH + path, content=b"not json", headers=headers)
        assert (response.status_code, response.json()) == (401, _WHO)
        assert response.headers["www-authenticate"] == 'Basic realm="SMS Gateway", Bearer'

    run_with_api(with_settings(settings) if has_tokens else World(settings), story)


@pytest.mark.parametrize("scheme", ["basic", "Basic", "BASIC"])
def test_the_scheme_may_be_in_any_case(world: World, scheme: str) -> None:
    async def story(api: ApiClient) -> None:
        sent = await api.http.get(PATH)
        value = sent.request.headers["Authorization"].replace("Basic", scheme)
        api.http.auth = NOBODY
        assert (await api.http.get(PATH, headers={"Authorization": value})).status_code == 200

    run_with_api(world, story)


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


def test_each_operation_requires_its_scope(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        nothing = (await token(api, "nothing:known"))["access_token"]
        for method, path, scope in _SCOPES:
            response = await with_token(api, method, BASE + path, nothing, content=b"not json")
            assert response.status_code == 403, path
            assert response.json() == {"message": f"scope required: {scope}", "code": 403}
            enough = (await token(api, scope))["access_token"]
            response = await with_token(api, method, BASE + path, enough, content=b"{}")
            assert response.status_code not in (401, 403), path

    run_with_api(with_settings(settings), story)


def test_the_scope_for_everything_allows_everything(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        access = (await token(api, "all:any"))["access_token"]
        assert (await with_token(api, "POST", PATH, access, json=body())).status_code == 200
        assert (await with_token(api, "GET", f"{BASE}/settings", access)).status_code == 200

    run_with_api(with_settings(settings), story)


def test_beyond_the_rate_limit_it_is_429_with_retry_after(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await accounts.set_limits(api.world.ctx, api.world.caller.account, AccountLimits(rate=2))
        answers = [await api.http.get(PATH) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[-1].json() == {"message": "too many requests", "code": 429}
        assert int(answers[-1].headers["retry-after"]) > 0

    run_with_api(world, story)


def test_guessing_logins_ends_in_429(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        api.http.auth = ("login", "wrong")
        codes = [(await api.http.get(PATH)).status_code for _ in range(4)]
        assert codes == [401, 401, 401, 429]

    run_with_api(with_settings(settings, address_rate_limit=3), story)


def test_a_paused_account_may_not_send(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await accounts.pause(api.world.ctx, api.world.caller.account)
        response = await api.http.post(PATH, json=body())
        assert (response.status_code, response.json()["code"]) == (403, 403)
        assert await api.rows() == 0

    run_with_api(world, story)


def test_a_login_of_another_account_does_not_see_the_message(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await api.http.post(PATH, json=body())
        other = await api.world.another_account("other")
        api.http.auth = await login(api.world, other.account)
        response = await api.http.get(PATH)
        assert (response.json(), response.headers["x-total-count"]) == ([], "0")

    run_with_api(world, story)
