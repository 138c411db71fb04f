"""Emess authenticates a token before anything else."""

from datetime import timedelta
from typing import Any, cast

import jwt
import pytest

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts import credentials, tokens
from dispatcher.settings import Settings
from tests.api.client import open_client
from tests.api.emess.sample import (
    BULK,
    JWT_SECRET,
    SEND,
    EmessClient,
    application,
    bearer,
    error_message,
    one,
    run_with_api,
)
from tests.world import World


@pytest.mark.parametrize(
    "value",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", "Bearer a.b.c", "Basic YTpi", "bearer \xff.\x7f.x"],
)
@pytest.mark.parametrize("path", [SEND, BULK])
def test_without_a_valid_token_it_is_401_before_the_body_is_validated(
    world: World, path: str, value: str | None
) -> None:
    async def story(api: EmessClient) -> None:
        del api.http.headers["Authorization"]
        headers = [(b"Authorization", value.encode("latin-1"))] if value is not None else []
        response = await api.http.post(path, content=b"not json", headers=headers)
        assert (response.status_code, error_message(response)) == (401, "Unauthorized")
        assert response.headers["www-authenticate"] == "Bearer"

    run_with_api(world, story)


@pytest.mark.parametrize("scheme", ["bearer", "Bearer", "BEARER"])
def test_the_scheme_may_be_in_any_case(world: World, scheme: str) -> None:
    async def story(api: EmessClient) -> None:
        _, token = api.http.headers["Authorization"].split()
        headers = {"Authorization": f"{scheme} {token}"}
        assert (await api.http.post(SEND, json=one(), headers=headers)).status_code == 200

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("algorithm", "key", "changed"),
    [
        ("none", None, {}),
        ("HS256", "y" * 40, {}),
        ("HS512", "x" * 64, {}),
        ("HS256", JWT_SECRET, {"jti": "0" * 32}),
        ("HS256", JWT_SECRET, {"aud": "smsgate"}),
        ("HS256", JWT_SECRET, {"iss": "another"}),
    ],
)
def test_a_token_that_we_did_not_sign_is_401(
    world: World, algorithm: str, key: str | None, changed: dict[str, Any]
) -> None:
    async def story(api: EmessClient) -> None:
        _, good = api.http.headers["Authorization"].split()
        claims = jwt.decode(good, options={"verify_signature": False}) | changed
        token = jwt.encode(claims, cast("str", key), algorithm=algorithm)
        headers = {"Authorization": f"Bearer {token}"}
        response = await api.http.post(SEND, json=one(), headers=headers)
        assert (response.status_code, error_message(response)) == (401, "Unauthorized")

    run_with_api(world, story)


def test_an_expired_token_is_401(world: World) -> None:
    async def story(api: EmessClient) -> None:
        api.world.time.advance(timedelta(minutes=61))
        assert (await api.send()).status_code == 401

    run_with_api(world, story)


def test_a_revoked_application_is_401_at_once(world: World) -> None:
    async def story(api: EmessClient) -> None:
        assert (await api.send()).status_code == 200
        await credentials.revoke(api.world.ctx, api.world.caller.account, api.app.id)
        assert (await api.send()).status_code == 401
        assert (await api.bulk()).status_code == 401

    run_with_api(world, story)


def test_a_token_or_key_of_another_dialect_of_the_same_account_is_401(world: World) -> None:
    async def story(api: EmessClient) -> None:
        ctx, account = api.world.ctx, api.world.caller.account
        login = await credentials.create(ctx, account, CredentialKind.LOGIN, dialect="smsgate")
        issued = await tokens.issue(ctx, Caller(account, "smsgate", login.id), validity=timedelta(hours=1))
        key = await credentials.create(ctx, account, CredentialKind.BEARER, dialect="scheduler")
        for secret in (issued.access, key.secret):
            headers = {"Authorization": f"Bearer {secret}"}
            assert (await api.http.post(SEND, json=one(), headers=headers)).status_code == 401

    run_with_api(world, story)


def test_a_message_is_charged_to_the_account_of_its_token(world: World) -> None:
    async def story(api: EmessClient) -> None:
        other = await api.world.another_account("other")
        theirs = await bearer(api.http, await application(api.world, other.account))
        response = await api.http.post(SEND, json=one(), headers=theirs)
        assert response.status_code == 200
        row = await api.world.one("SELECT account_id, charged FROM messages")
        assert (row.account_id, row.charged) == (other.account.id, 1)
        assert await api.world.balance() == 10_000

    run_with_api(world, story)


def test_messages_of_a_test_application_cost_nothing(world: World) -> None:
    async def story(api: EmessClient) -> None:
        test = await application(api.world, api.world.caller.account, is_test=True)
        headers = await bearer(api.http, test)
        assert (await api.http.post(SEND, json=one(), headers=headers)).status_code == 200
        row = await api.world.one("SELECT is_test, charged FROM messages")
        assert (row.is_test, row.charged) == (True, 0)

    run_with_api(world, story)


def test_a_paused_account_is_403(world: World) -> None:
    async def story(api: EmessClient) -> None:
        await api.world.all("UPDATE accounts SET paused_at = now()")
        for response in (await api.send(), await api.bulk()):
            assert (response.status_code, error_message(response)) == (403, "account 'shop' is paused")
        assert await api.rows() == 0

    run_with_api(world, story)


def test_too_many_requests_of_an_application_are_429(settings: Settings) -> None:
    async def story(api: EmessClient) -> None:
        answers = [await api.send(), await api.bulk(), await api.send()]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert error_message(answers[2]) == "too many requests"
        assert int(answers[2].headers["retry-after"]) >= 1

    run_with_api(World(settings.model_copy(update={"rate_limit": 3})), story)  # one of them was for the token


def test_too_many_wrong_tokens_from_an_address_are_429(settings: Settings) -> None:
    async def story(api: EmessClient) -> None:
        headers = {"Authorization": "Bearer wrong"}
        assert (await api.send()).status_code == 200  # now its token is known
        answers = [await api.http.post(SEND, headers=headers) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [401, 401, 429]
        assert (await api.send()).status_code == 200

    run_with_api(World(settings.model_copy(update={"address_rate_limit": 2})), story)


def test_without_a_signing_secret_no_token_can_be_checked_and_it_is_500(settings: Settings) -> None:
    unsigned = World(settings.model_copy(update={"jwt_secret": None}))

    async def story() -> None:
        async with open_client(unsigned, Authorization="Bearer a.b.c") as http:
            for path in (SEND, BULK):
                response = await http.post(path, json=one())
                assert (response.status_code, error_message(response)) == (500, "Server configuration error")

    unsigned.run(story)
