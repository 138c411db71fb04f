"""Keys are made, replaced and revoked by their own account, and shown once."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts import credentials
from dispatcher.settings import Settings
from tests.api.formpost.client import (
    BALANCE,
    KEYS,
    SAMPLE,
    V2,
    FormpostClient,
    new_key,
    new_user,
    run_with_api,
)
from tests.world import World

GENERATE, REGENERATE, REVOKE = KEYS


async def opens(api: FormpostClient, key: str) -> bool:
    response = await api.http.get(BALANCE, headers={"X-API-Key": key})
    return response.status_code == 200


async def post(api: FormpostClient, path: str, **body: object) -> httpx.Response:
    """Post as the account's user, after its first key was revoked for `generate`."""
    if path == GENERATE:
        await api.http.post(REVOKE, params=api.user)
    return await api.http.post(path, params=api.user, json=body)


def expiry(world: World, answer: Mapping[str, str]) -> timedelta:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", answer["expires_at"])
    return datetime.fromisoformat(answer["expires_at"]) - world.time.now()


@pytest.mark.parametrize(("path", "status"), [(GENERATE, 201), (REGENERATE, 200)])
def test_a_new_key_is_shown_and_accepted(world: World, path: str, status: int) -> None:
    async def story(api: FormpostClient) -> None:
        response = await post(api, path, expiry_days=3)
        assert response.status_code == status
        assert list(response.json()) == ["api_key", "expires_at"]
        assert expiry(world, response.json()) == timedelta(days=3)
        assert await opens(api, response.json()["api_key"])

    run_with_api(world, story)


@pytest.mark.parametrize("path", [GENERATE, REGENERATE])
@pytest.mark.parametrize("given", ["3", 3])
def test_expiry_days_may_be_in_a_form_or_in_json(world: World, path: str, given: object) -> None:
    async def story(api: FormpostClient) -> None:
        await api.http.post(REVOKE, params=api.user)
        if isinstance(given, str):
            response = await api.http.post(path, params=api.user, data={"expiry_days": given})
        else:
            response = await api.http.post(path, params=api.user, json={"expiry_days": given})
        assert expiry(world, response.json()) == timedelta(days=3)

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (0, "The expiry days field must be at least 1."),
        ("0", "The expiry days field must be at least 1."),
        (-1, "The expiry days field must be at least 1."),
        ("-5", "The expiry days field must be at least 1."),
        (366, "The expiry days field must not be greater than 365."),
        (10**30, "The expiry days field must not be greater than 365."),
        ("9" * 5000, "The expiry days field must not be greater than 365."),
        ("soon", "The expiry days field must be an integer."),
        ("٣", "The expiry days field must be an integer."),
        ("3.5", "The expiry days field must be an integer."),
        (3.5, "The expiry days field must be an integer."),
        (True, "The expiry days field must be an integer."),
        ([3], "The expiry days field must be an integer."),
    ],
)
@pytest.mark.parametrize("path", [GENERATE, REGENERATE])
def test_expiry_days_out_of_1_to_365_are_422(world: World, path: str, given: object, message: str) -> None:
    async def story(api: FormpostClient) -> None:
        response = await api.http.post(path, params=api.user, json={"expiry_days": given})
        assert response.status_code == 422
        assert response.json() == {"message": message, "errors": {"expiry_days": [message]}}
        assert await opens(api, api.key["X-API-Key"]), "the old key goes on"

    run_with_api(world, story)


@pytest.mark.parametrize("body", [{}, {"expiry_days": None}, {"expiry_days": ""}])
@pytest.mark.parametrize("path", [GENERATE, REGENERATE])
def test_without_expiry_days_the_setting_counts(world: World, path: str, body: dict[str, object]) -> None:
    async def story(api: FormpostClient) -> None:
        assert expiry(world, (await post(api, path, **body)).json()) == timedelta(days=365)

    run_with_api(world, story)


def test_the_setting_may_make_keys_without_expiry(settings: Settings) -> None:
    async def story(api: FormpostClient) -> None:
        assert (await post(api, REGENERATE)).json()["expires_at"] is None

    run_with_api(World(settings.model_copy(update={"formpost_key_days": 0})), story)


def test_generate_is_409_while_there_is_an_active_key(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        response = await api.http.post(GENERATE, params=api.user)
        assert response.status_code == 409
        assert response.json() == {"message": "There is an active key already; regenerate or revoke it"}
        assert await opens(api, api.key["X-API-Key"])

    run_with_api(world, story)


def test_generate_does_not_mind_an_expired_key(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        assert (await post(api, GENERATE, expiry_days=1)).status_code == 201
        world.time.advance(timedelta(days=1))
        assert (await api.http.post(GENERATE, params=api.user)).status_code == 201

    run_with_api(world, story)


def test_regenerate_ends_the_old_key_also_when_it_was_the_credential(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        response = await api.http.post(REGENERATE, headers=api.key)
        assert response.status_code == 200
        assert await opens(api, response.json()["api_key"])
        assert not await opens(api, api.key["X-API-Key"])

    run_with_api(world, story)


def test_a_test_key_makes_test_keys_and_leaves_the_live_key_alone(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        test = {"X-API-Key": (await new_key(world, is_test=True)).secret}
        made = (await api.http.post(REGENERATE, headers=test)).json()["api_key"]
        await api.http.post(V2, json=SAMPLE, headers={"X-API-Key": made})
        assert {row.is_test for row in await api.sent()} == {True}
        assert (await api.http.post(REVOKE, headers={"X-API-Key": made})).status_code == 200
        assert not await opens(api, made)
        assert await opens(api, api.key["X-API-Key"])

    run_with_api(world, story)


def test_revoke_ends_the_key_at_once_and_is_404_when_there_is_none(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        first = await api.http.post(REVOKE, params=api.user)
        assert (first.status_code, first.json()) == (200, {"message": "API key revoked"})
        assert not await opens(api, api.key["X-API-Key"])
        again = await api.http.post(REVOKE, params=api.user)
        assert (again.status_code, again.json()) == (404, {"message": "There is no active key"})

    run_with_api(world, story)


@pytest.mark.parametrize("path", [REGENERATE, REVOKE])
def test_keys_are_managed_with_basic_a_form_a_query_or_a_key(world: World, path: str) -> None:
    async def story(api: FormpostClient) -> None:
        pair = api.user["username"], api.user["password"]
        ways: list[dict[str, Any]] = [
            {"auth": pair},
            {"data": api.user},
            {"json": api.user},
            {"params": api.user},
        ]
        for shown in ways:
            await new_key(world)
            response = await api.http.post(path, **shown)
            assert response.status_code == 200, shown
        for name, where in [("X-API-Key", "headers"), ("api_key", "params"), ("api_key", "data")]:
            made = await new_key(world)
            response = await api.http.post(path, **{where: {name: made.secret}})  # type: ignore[arg-type]
            assert response.status_code == 200, where

    run_with_api(world, story)


@pytest.mark.parametrize("path", KEYS)
def test_without_a_credential_it_is_401_with_help(world: World, path: str) -> None:
    async def story(api: FormpostClient) -> None:
        response = await api.http.post(path, json={"expiry_days": 3})
        assert response.status_code == 401
        assert response.json() == {
            "error": "Username and password or API key are required",
            "help": "Provide username and password, X-API-Key header or api_key parameter",
        }

    run_with_api(world, story)


@pytest.mark.parametrize("path", KEYS)
def test_a_wrong_credential_is_401(world: World, path: str) -> None:
    async def story(api: FormpostClient) -> None:
        name = api.user["username"]
        for response in (
            await api.http.post(path, auth=(name, "wrong")),
            await api.http.post(path, headers={"Authorization": "Basic ???"}),
            await api.http.post(path, headers={"Authorization": "Basic Og=="}),
            await api.http.post(path, params={"username": name}),
            await api.http.post(path, data={"username": name, "password": "wrong"}),
        ):
            assert (response.status_code, response.json()) == (401, {"error": "Unauthorized"})
        response = await api.http.post(path, headers={"X-API-Key": "wrong"})
        assert (response.status_code, response.json()) == (401, {"error": "Invalid API key"})
        assert await opens(api, api.key["X-API-Key"])

    run_with_api(world, story)


def test_the_keys_of_other_accounts_and_dialects_stay(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        other = await world.another_account("other")
        theirs = await new_key(world, other.account)
        elsewhere = await credentials.create(
            world.ctx, world.caller.account, CredentialKind.API_KEY, dialect="emsgnow"
        )
        await api.http.post(REVOKE, params=api.user)
        assert await opens(api, theirs.secret)
        assert not await opens(api, elsewhere.secret)
        await credentials.by_secret(world.ctx, CredentialKind.API_KEY, elsewhere.secret, dialect="emsgnow")
        user = await new_user(world, other.account)
        wrong = {"username": str(user.name), "password": api.user["password"]}
        assert (await api.http.post(REVOKE, data=wrong)).status_code == 401

    run_with_api(world, story)


def test_an_answer_that_shows_a_key_is_never_stored(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        headers = {"Idempotency-Key": "once"}
        answers = [await api.http.post(REGENERATE, params=api.user, headers=headers) for _ in range(2)]
        assert answers[0].json()["api_key"] != answers[1].json()["api_key"]
        assert await world.all("SELECT * FROM idempotency_keys") == []

    run_with_api(world, story)
