"""The documented limit of 60 requests a minute, and its headers."""

import math

import pytest

from dispatcher.domain.accounts.account import AccountLimits
from dispatcher.service.accounts import accounts
from dispatcher.settings import Settings
from tests.api.formpost.client import BALANCE, KEYS, V1, V2, FormpostClient, new_key, run_with_api
from tests.world import World


def test_calls_without_a_key_share_the_bucket_of_their_address_over_endpoints(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        left = []
        for method, path in [("GET", V2), ("POST", V2), ("GET", BALANCE), ("POST", KEYS[0]), ("POST", V1)]:
            response = await api.http.request(method, path)
            assert response.headers["x-ratelimit-limit"] == "60"
            left.append(int(response.headers["x-ratelimit-remaining"]))
        assert left == [59, 58, 57, 56, 55]

    run_with_api(world, story)


def test_an_account_has_60_a_minute_over_all_endpoints(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        await api.keyed()
        response = await api.http.get(BALANCE, headers=api.key)
        assert response.headers["x-ratelimit-limit"] == "60"
        assert response.headers["x-ratelimit-remaining"] == "58"

    run_with_api(world, story)


def test_a_new_key_has_no_new_quota(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        for _ in range(30):
            made = await api.http.post(KEYS[1], headers=api.key)
            api.key["X-API-Key"] = made.json()["api_key"]
        response = await api.http.get(BALANCE, headers=api.key)
        assert 29 <= int(response.headers["x-ratelimit-remaining"]) < 45  # one comes back each second

    run_with_api(world, story)


def test_a_test_key_uses_up_no_quota_of_the_live_one(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        test = {"X-API-Key": (await new_key(world, is_test=True)).secret}
        await api.http.get(BALANCE, headers=test)
        response = await api.http.get(BALANCE, headers=api.key)
        assert response.headers["x-ratelimit-remaining"] == "59"

    run_with_api(world, story)


def test_an_accounts_own_rate_comes_first(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        await accounts.set_limits(world.ctx, world.caller.account, AccountLimits(rate=7))
        response = await api.http.get(BALANCE, headers=api.key)
        assert response.headers["x-ratelimit-limit"] == "7"

    run_with_api(world, story)


def test_above_the_rate_it_is_429_in_each_envelope_and_nothing_is_sent(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        await accounts.set_limits(world.ctx, world.caller.account, AccountLimits(rate=1))
        await api.http.get(BALANCE, headers=api.key)
        await api.http.post(V1, params=api.user)
        form, keyed = await api.form(), await api.keyed()
        for response in (form, keyed):
            assert response.status_code == 429
            assert response.headers["x-ratelimit-remaining"] == "0"
            wait = int(response.headers["retry-after"])
            assert 0 < wait <= 60
            reset = int(response.headers["x-ratelimit-reset"])
            assert abs(reset - math.ceil(world.time.now().timestamp() + wait)) <= 1
        assert form.json() == {"error": "Too Many Attempts."}
        assert keyed.json() == {"message": "Too Many Attempts."}
        assert await api.kept() == 0

    run_with_api(world, story)


def test_guessing_has_an_end(settings: Settings) -> None:
    async def story(api: FormpostClient) -> None:
        assert (await api.http.get(BALANCE, headers=api.key)).status_code == 200  # now it is known
        guesses = [await api.http.get(BALANCE, params={"api_key": str(n)}) for n in range(4)]
        assert [guess.status_code for guess in guesses] == [401, 401, 401, 429]
        assert (await api.http.get(BALANCE, headers=api.key)).status_code == 200

    run_with_api(World(settings.model_copy(update={"address_rate_limit": 3})), story)


def test_a_daily_cap_is_429_with_its_own_message(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        await accounts.set_limits(world.ctx, world.caller.account, AccountLimits(daily=1))
        response = await api.keyed()
        assert response.status_code == 429
        assert response.json() == {"message": "The account may send 1 messages a day"}
        assert int(response.headers["retry-after"]) > 0

    run_with_api(world, story)


@pytest.mark.parametrize("path", ["/api/v2", "/api/oauth2-callback", "/api/oauth2-redirect.js"])
def test_pages_and_preflights_show_the_quota_and_do_not_count(world: World, path: str) -> None:
    async def story(api: FormpostClient) -> None:
        for method in ("GET", "OPTIONS", "GET"):
            response = await api.http.request(method, path)
            assert response.headers["x-ratelimit-remaining"] == "60"

    run_with_api(world, story)
