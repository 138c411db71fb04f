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
from tests.api.formpost.client import BALANCE, KEYS, FormpostClient, ask, new_key, new_user
from tests.world import World

GENERATE, REGENERATE, REVOKE = KEYS


async def opens(counter: FormpostClient, key: str) -> bool:
    response = await counter.http.get(BALANCE, headers={"X-API-Key": key})
    return response.status_code == 200


async def post(counter: FormpostClient, path: str, **body: object) -> httpx.Response:
    """Post as the account's user, after its first key was revoked for `generate`."""
    if path == GENERATE:
        await counter.http.post(REVOKE, params=counter.user)
    return await counter.http.post(path, params=counter.user, json=body)


def expiry(world: World, answer: Mapping[str, str]) -> timedelta:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", answer["expires_at"])
    return datetime.fromisoformat(answer["expires_at"]) - world.time.now()


@pytest.mark.parametrize(("path", "status"), [(GENERATE, 201), (REGENERATE, 200)])
def test_a_new_key_is_shown_and_opens_the_door(world: World, path: str, status: int) -> None:
    async def story(counter: FormpostClient) -> None:
        response = await post(counter, path, expiry_days=3)
        assert response.status_code == status
        assert list(response.json()) == ["api_key", "expires_at"]
        assert expiry(world, response.json()) == timedelta(days=3)
        assert await opens(counter, response.json()["api_key"])

    ask(world, story)


@pytest.mark.parametrize("path", [GENERATE, REGENERATE])
@pytest.mark.parametrize("given", ["3", 3])
def test_expiry_days_may_be_in_a_form_or_in_json(world: World, path: str, given: object) -> None:
    async def story(counter: FormpostClient) -> None:
        await counter.http.post(REVOKE, params=counter.user)
        if isinstance(given, str):
            response = await counter.http.post(path, params=counter.user, data={"expiry_days": given})
        else:
            response = await counter.http.post(path, params=counter.user, json={"expiry_days": given})
        assert expiry(world, response.json()) == timedelta(days=3)

    ask(world, story)


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
    async def story(counter: FormpostClient) -> None:
        response = await counter.http.post(path, params=counter.user, json={"expiry_days": given})
        assert response.status_code == 422
        assert response.json() == {"message": message, "errors": {"expiry_days": [message]}}
        assert await opens(counter, counter.key["X-API-Key"]), "the old key goes on"

    ask(world, story)


@pytest.mark.parametrize("body", [{}, {"expiry_days": None}, {"expiry_days": ""}])
@pytest.mark.parametrize("path", [GENERATE, REGENERATE])
def test_without_expiry_days_the_setting_counts(world: World, path: str, body: dict[str, object]) -> None:
    async def story(counter: FormpostClient) -> None:
        assert expiry(world, (await post(counter, path, **body)).json()) == timedelta(days=365)

    ask(world, story)


def test_the_setting_may_let_keys_live_for_ever(settings: Settings) -> None:
    async def story(counter: FormpostClient) -> None:
        assert (await post(counter, REGENERATE)).json()["expires_at"] is None

    ask(World(settings.model_copy(update={"formpost_key_days": 0})), story)


def test_generate_is_409_while_there_is_a_good_key(world: World) -> None:
    async def story(counter: FormpostClient) -> None:
        response = await counter.http.post(GENERATE, params=counter.user)
        assert response.status_code == 409
        assert response.json() == {"message": "There is an active key already; regenerate or revoke it"}
        assert await opens(counter, counter.key["X-API-Key"])

    ask(world, story)


def test_generate_does_not_mind_an_expired_key(world: World) -> None:
    async def story(counter: FormpostClient) -> None:
        assert (await post(counter, GENERATE, expiry_days=1)).status_code == 201
        world.time.advance(timedelta(days=1))
        assert (await counter.http.post(GENERATE, params=counter.user)).status_code == 201

    ask(world, story)


def test_regenerate_ends_the_old_key_also_when_it_was_the_credential(world: World) -> None:
    async def story(counter: FormpostClient) -> None:
        response = await counter.http.post(REGENERATE, headers=counter.key)
        assert response.status_code == 200
        assert await opens(counter, response.json()["api_key"])
        assert not await opens(counter, counter.key["X-API-Key"])

    ask(world, story)


def test_revoke_ends_the_key_at_once_and_is_404_when_there_is_none(world: World) -> None:
    async def story(counter: FormpostClient) -> None:
        first = await counter.http.post(REVOKE, params=counter.user)
        assert (first.status_code, first.json()) == (200, {"message": "API key revoked"})
        assert not await opens(counter, counter.key["X-API-Key"])
        again = await counter.http.post(REVOKE, params=counter.user)
        assert (again.status_code, again.json()) == (404, {"message": "There is no active key"})

    ask(world, story)


@pytest.mark.parametrize("path", [REGENERATE, REVOKE])
def test_keys_are_managed_with_basic_a_form_a_query_or_a_key(world: World, path: str) -> None:
    async def story(counter: FormpostClient) -> None:
        pair = counter.user["username"], counter.user["password"]
        ways: list[dict[str, Any]] = [
            {"auth": pair},
            {"data": counter.user},
            {"json": counter.user},
            {"params": counter.user},
        ]
        for shown in ways:
            await new_key(world)
            response = await counter.http.post(path, **shown)
            assert response.status_code == 200, shown
        for name, where in [("X-API-Key", "headers"), ("api_key", "params"), ("api_key", "data")]:
            made = await new_key(world)
            response = await counter.http.post(path, **{where: {name: made.secret}})  # type: ignore[arg-type]
            assert response.status_code == 200, where

    ask(world, story)


@pytest.mark.parametrize("path", KEYS)
def test_without_a_credential_it_is_401_with_help(world: World, path: str) -> None:
    async def story(counter: FormpostClient) -> None:
        response = await counter.http.post(path, json={"expiry_days": 3})
        assert response.status_code == 401
        assert response.json() == {
            "error": "Username and password or API key are required",
            "help": "Provide username and password, X-API-Key header or api_key parameter",
        }

    ask(world, story)


@pytest.mark.parametrize("path", KEYS)
def test_a_wrong_credential_is_401(world: World, path: str) -> None:
    async def story(counter: FormpostClient) -> None:
        name = counter.user["username"]
        for response in (
            await counter.http.post(path, auth=(name, "wrong")),
            await counter.http.post(path, headers={"Authorization": "Basic ???"}),
            await counter.http.post(path, headers={"Authorization": "Basic Og=="}),
            await counter.http.post(path, params={"username": name}),
            await counter.http.post(path, data={"username": name, "password": "wrong"}),
        ):
            assert (response.status_code, response.json()) == (401, {"error": "Unauthorized"})
        response = await counter.http.post(path, headers={"X-API-Key": "wrong"})
        assert (response.status_code, response.json()) == (401, {"error": "Invalid API key"})
        assert await opens(counter, counter.key["X-API-Key"])

    ask(world, story)


def test_the_keys_of_other_accounts_and_dialects_stay(world: World) -> None:
    async def story(counter: FormpostClient) -> None:
        other = await world.another_account("other")
        theirs = await new_key(world, other.account)
        elsewhere = await credentials.create(
            world.ctx, world.caller.account, CredentialKind.API_KEY, dialect="emsgnow"
        )
        await counter.http.post(REVOKE, params=counter.user)
        assert await opens(counter, theirs.secret)
        assert not await opens(counter, elsewhere.secret)
        await credentials.by_secret(world.ctx, CredentialKind.API_KEY, elsewhere.secret, dialect="emsgnow")
        user = await new_user(world, other.account)
        wrong = {"username": str(user.name), "password": counter.user["password"]}
        assert (await counter.http.post(REVOKE, data=wrong)).status_code == 401

    ask(world, story)


def test_an_answer_that_shows_a_key_is_never_stored(world: World) -> None:
    async def story(counter: FormpostClient) -> None:
        headers = {"Idempotency-Key": "once"}
        answers = [
            await counter.http.post(REGENERATE, params=counter.user, headers=headers) for _ in range(2)
        ]
        assert answers[0].json()["api_key"] != answers[1].json()["api_key"]
        assert await world.all("SELECT * FROM idempotency_keys") == []

    ask(world, story)
