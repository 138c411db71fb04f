"""eMsgNow authenticates a key before anything else, and returns the quota in every response."""

from datetime import timedelta

import pytest

from dispatcher.domain.accounts.account import AccountLimits, Caller
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts import accounts, credentials
from dispatcher.settings import Settings
from tests.api.client import ApiClient
from tests.api.emsgnow.sample import JSON, PATH, QUOTA, body, key_of, run_with_api, send
from tests.world import World

_ANYWHERE = pytest.mark.parametrize(
    ("method", "path"), [("POST", PATH), ("GET", f"{PATH}/x"), ("GET", f"{PATH}/x/events/y")]
)


@_ANYWHERE
@pytest.mark.parametrize("value", [None, "", " "])
def test_without_a_key_it_is_401_before_anything_is_validated(
    world: World, method: str, path: str, value: str | None
) -> None:
    async def story(api: ApiClient) -> None:
        del api.http.headers["x-api-key"]
        headers = {} if value is None else {"x-api-key": value}
        response = await api.http.request(method, path, content=b"not json", headers=headers)
        assert (response.status_code, response.json()) == (401, {"error": "API key is required"})
        assert response.headers["www-authenticate"] == "ApiKey"
        assert response.headers["content-type"] == JSON

    run_with_api(world, story)


@_ANYWHERE
@pytest.mark.parametrize("value", ["wrong", "sms_x", "\xff"])
def test_with_an_unknown_key_it_is_403_before_anything_is_validated(
    world: World, method: str, path: str, value: str
) -> None:
    async def story(api: ApiClient) -> None:
        headers = [(b"x-api-key", value.encode("latin-1"))]
        del api.http.headers["x-api-key"]
        response = await api.http.request(method, path, content=b"not json", headers=headers)
        assert (response.status_code, response.json()) == (403, {"error": "Invalid API key"})
        assert response.headers["content-type"] == JSON

    run_with_api(world, story)


def test_a_revoked_key_is_403_at_once(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await send(api)
        caller = Caller(api.world.caller.account, "emsgnow")
        await credentials.revoke_all(api.world.ctx, caller, CredentialKind.API_KEY)
        response = await api.http.post(PATH, json=body())
        assert (response.status_code, response.json()) == (403, {"error": "Invalid API key"})

    run_with_api(world, story)


def test_an_expired_key_is_403(world: World) -> None:
    async def story(api: ApiClient) -> None:
        key = await key_of(api.world, api.world.caller.account, validity=timedelta(minutes=1))
        assert (await api.http.post(PATH, json=body(), headers=key)).status_code == 200
        api.world.time.advance(timedelta(minutes=1))
        response = await api.http.post(PATH, json=body(), headers=key)
        assert (response.status_code, response.json()) == (403, {"error": "Invalid API key"})

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("kind", "dialect"), [(CredentialKind.API_KEY, "formpost"), (CredentialKind.BEARER, "emsgnow")]
)
def test_a_credential_of_another_dialect_or_kind_is_403(
    world: World, kind: CredentialKind, dialect: str
) -> None:
    async def story(api: ApiClient) -> None:
        other = await credentials.create(api.world.ctx, api.world.caller.account, kind, dialect=dialect)
        response = await api.http.post(PATH, json=body(), headers={"x-api-key": other.secret})
        assert response.status_code == 403

    run_with_api(world, story)


def test_a_paused_account_is_403_and_nothing_is_stored(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await accounts.pause(api.world.ctx, api.world.caller.account)
        response = await api.http.post(PATH, json=body())
        assert response.status_code == 403
        assert response.json() == {"error": "account 'shop' is paused"}
        assert await api.rows() == 0

    run_with_api(world, story)


def test_every_response_has_the_limit_the_rest_and_the_seconds_until_it_is_full(
    settings: Settings,
) -> None:
    async def story(api: ApiClient) -> None:
        first = await api.http.post(PATH, json=body())
        assert [first.headers[name] for name in QUOTA] == ["60", "59", "1"]
        path = f"{PATH}/{first.json()['trackingId']}"
        remaining = 59
        for later in (path, f"{path}/events", f"{path}/events/x", f"{PATH}/x"):
            headers = (await api.http.get(later)).headers
            assert headers["x-ratelimit-limit"] == "60"
            # A second may pass between two requests, and give one of them back.
            assert remaining - 1 <= int(headers["x-ratelimit-remaining"]) <= remaining + 1
            assert 1 <= int(headers["x-ratelimit-reset"]) <= 60
            remaining = int(headers["x-ratelimit-remaining"])

    run_with_api(World(settings.model_copy(update={"rate_limit": 60})), story)


@pytest.mark.parametrize(("key", "status"), [("", 401), ("wrong", 403)])
def test_without_a_good_key_the_headers_are_those_of_the_address(
    settings: Settings, key: str, status: int
) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.get(f"{PATH}/x", headers={"x-api-key": key})
        assert response.status_code == status
        assert [response.headers[name] for name in QUOTA] == ["7", "6", "9"]

    run_with_api(World(settings.model_copy(update={"address_rate_limit": 7})), story)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", f"{PATH}/a/b", 404), ("PUT", PATH, 405), ("GET", f"{PATH}/openapi.json", 200)],
)
def test_answers_without_a_caller_have_the_headers_too(
    world: World, method: str, path: str, status: int
) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.request(method, path)
        assert response.status_code == status
        assert set(QUOTA) <= set(response.headers)

    run_with_api(world, story)


def test_above_the_rate_it_is_429_with_retry_after_and_nothing_is_stored(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        for _ in range(2):
            await send(api)
        kept = await api.rows()
        for method, path in [("POST", PATH), ("GET", f"{PATH}/x"), ("GET", f"{PATH}/x/events")]:
            response = await api.http.request(method, path, json=body())
            assert (response.status_code, response.json()) == (429, {"error": "Rate limit exceeded"})
            assert 1 <= int(response.headers["retry-after"]) <= 30
            assert response.headers["x-ratelimit-limit"] == "2"
            assert response.headers["x-ratelimit-remaining"] == "0"
            assert 31 <= int(response.headers["x-ratelimit-reset"]) <= 60
        assert await api.rows() == kept

    run_with_api(World(settings.model_copy(update={"rate_limit": 2})), story)


def test_the_accounts_own_rate_comes_before_the_setting_and_its_keys_share_it(world: World) -> None:
    async def story(api: ApiClient) -> None:
        account = await accounts.set_limits(api.world.ctx, api.world.caller.account, AccountLimits(rate=1))
        await send(api)
        assert (await api.http.post(PATH, json=body())).status_code == 429
        another = await key_of(api.world, account)
        assert (await api.http.post(PATH, json=body(), headers=another)).status_code == 429

    run_with_api(world, story)


def test_guessing_keys_has_an_end(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        await send(api)  # now its key is known
        wrong = {"x-api-key": "wrong"}
        statuses = [(await api.http.get(f"{PATH}/x", headers=wrong)).status_code for _ in range(3)]
        assert statuses == [403, 403, 429]
        await send(api)

    run_with_api(World(settings.model_copy(update={"address_rate_limit": 2})), story)
