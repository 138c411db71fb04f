"""The documented 60 a minute: who is counted where, and how every answer tells it."""

import math

import pytest

from dispatcher.domain.accounts.account import AccountLimits
from dispatcher.service.accounts import accounts
from dispatcher.settings import Settings
from tests.api.formpost.client import BALANCE, KEYS, V1, V2, FormpostClient, ask
from tests.world import World


def test_calls_without_a_key_share_the_bucket_of_their_address_over_endpoints(world: World) -> None:
    async def story(counter: FormpostClient) -> None:
        left = []
        for method, path in [("GET", V2), ("POST", V2), ("GET", BALANCE), ("POST", KEYS[0]), ("POST", V1)]:
            response = await counter.http.request(method, path)
            assert response.headers["x-ratelimit-limit"] == "60"
            left.append(int(response.headers["x-ratelimit-remaining"]))
        assert left == [59, 58, 57, 56, 55]

    ask(world, story)


def test_a_key_has_60_a_minute_over_all_endpoints(world: World) -> None:
    async def story(counter: FormpostClient) -> None:
        await counter.keyed()
        response = await counter.http.get(BALANCE, headers=counter.key)
        assert response.headers["x-ratelimit-limit"] == "60"
        assert response.headers["x-ratelimit-remaining"] == "58"

    ask(world, story)


def test_an_accounts_own_rate_comes_first(world: World) -> None:
    async def story(counter: FormpostClient) -> None:
        await accounts.set_limits(world.ctx, world.caller.account, AccountLimits(rate=7))
        response = await counter.http.get(BALANCE, headers=counter.key)
        assert response.headers["x-ratelimit-limit"] == "7"

    ask(world, story)


def test_above_the_rate_it_is_429_in_each_envelope_and_nothing_is_sent(world: World) -> None:
    async def story(counter: FormpostClient) -> None:
        await accounts.set_limits(world.ctx, world.caller.account, AccountLimits(rate=1))
        await counter.http.get(BALANCE, headers=counter.key)
        await counter.http.post(V1, params=counter.user)
        form, keyed = await counter.form(), await counter.keyed()
        for response in (form, keyed):
            assert response.status_code == 429
            assert response.headers["x-ratelimit-remaining"] == "0"
            wait = int(response.headers["retry-after"])
            assert 0 < wait <= 60
            reset = int(response.headers["x-ratelimit-reset"])
            assert abs(reset - math.ceil(world.time.now().timestamp() + wait)) <= 1
        assert form.json() == {"error": "Too Many Attempts."}
        assert keyed.json() == {"message": "Too Many Attempts."}
        assert await counter.kept() == 0

    ask(world, story)


def test_guessing_has_an_end(settings: Settings) -> None:
    async def story(counter: FormpostClient) -> None:
        guesses = [await counter.http.get(BALANCE, params={"api_key": str(n)}) for n in range(4)]
        assert [guess.status_code for guess in guesses] == [401, 401, 401, 429]
        assert (await counter.http.get(BALANCE, headers=counter.key)).status_code == 200

    ask(World(settings.model_copy(update={"address_rate_limit": 3})), story)


def test_a_daily_cap_is_429_in_its_own_words(world: World) -> None:
    async def story(counter: FormpostClient) -> None:
        await accounts.set_limits(world.ctx, world.caller.account, AccountLimits(daily=1))
        response = await counter.keyed()
        assert response.status_code == 429
        assert response.json() == {"message": "The account may send 1 messages a day"}
        assert int(response.headers["retry-after"]) > 0

    ask(world, story)


@pytest.mark.parametrize("path", ["/api/v2", "/api/oauth2-callback", "/api/oauth2-redirect.js"])
def test_pages_and_preflights_look_at_the_quota_and_take_nothing(world: World, path: str) -> None:
    async def story(counter: FormpostClient) -> None:
        for method in ("GET", "OPTIONS", "GET"):
            response = await counter.http.request(method, path)
            assert response.headers["x-ratelimit-remaining"] == "60"

    ask(world, story)
