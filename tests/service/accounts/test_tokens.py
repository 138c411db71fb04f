"""Signed tokens: pinned to their algorithm and dialect, revoked at once, refreshed once."""

import json
from base64 import urlsafe_b64encode
from datetime import timedelta

import jwt
import pytest
from pydantic import SecretStr

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.domain.errors import Forbidden, Misconfigured, NotAuthenticated
from dispatcher.service.accounts import credentials, tokens
from dispatcher.service.accounts.tokens import IssuedTokens
from dispatcher.settings import Settings
from tests.world import World

SECRET = "a secret of more than thirty-two characters"
HOUR = timedelta(hours=1)


@pytest.fixture
def world(settings: Settings) -> World:
    return World(settings.model_copy(update={"jwt_secret": SecretStr(SECRET)}))


async def _login(world: World) -> Caller:
    kind = CredentialKind.LOGIN
    key = await credentials.create(world.ctx, world.caller.account, kind, dialect="smsgate")
    return await credentials.by_pair(world.ctx, kind, str(key.name), key.secret, dialect="smsgate")


async def _issue(world: World, caller: Caller, scopes: list[str] | None = None) -> IssuedTokens:
    return await tokens.issue(world.ctx, caller, validity=HOUR, scopes=scopes, refresh_for=24 * HOUR)


async def _is_good(world: World, token: str, *, dialect: str = "smsgate") -> bool:
    try:
        await tokens.authenticate(world.ctx, token, dialect=dialect)
    except NotAuthenticated:
        return False
    return True


def test_a_token_has_its_caller_and_scopes(world: World) -> None:
    async def story() -> None:
        issued = await _issue(world, await _login(world), ["messages:send"])
        caller = await tokens.authenticate(world.ctx, issued.access, dialect="smsgate")
        assert caller.account.name == "shop"
        assert caller.scopes == frozenset({"messages:send"})
        claims = jwt.decode(issued.access, options={"verify_signature": False})
        assert claims["jti"] == issued.id
        assert claims["org"] == "shop"
        assert claims["exp"] - claims["iat"] in (3599, 3600)

    world.run(story)


def test_a_token_is_valid_for_one_dialect_only(world: World) -> None:
    async def story() -> None:
        issued = await _issue(world, await _login(world))
        assert not await _is_good(world, issued.access, dialect="emess")

    world.run(story)


def test_a_token_expires_by_our_clock(world: World) -> None:
    async def story() -> None:
        issued = await _issue(world, await _login(world))
        world.time.advance(HOUR - timedelta(seconds=2))
        assert await _is_good(world, issued.access)
        world.time.advance(timedelta(seconds=2))
        assert not await _is_good(world, issued.access)

    world.run(story)


@pytest.mark.parametrize("algorithm", ["none", "HS512"])
def test_another_algorithm_is_refused(world: World, algorithm: str) -> None:
    async def story() -> None:
        issued = await _issue(world, await _login(world))
        claims = jwt.decode(issued.access, options={"verify_signature": False})
        if algorithm == "none":
            parts = [json.dumps({"alg": "none", "typ": "JWT"}), json.dumps(claims)]
            forged = ".".join(urlsafe_b64encode(p.encode()).decode().rstrip("=") for p in parts) + "."
        else:
            forged = jwt.encode(claims, SECRET * 2, algorithm=algorithm)
        assert not await _is_good(world, forged)

    world.run(story)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é"])
def test_a_malformed_token_is_refused(world: World, token: str) -> None:
    async def story() -> None:
        assert not await _is_good(world, token)

    world.run(story)


def test_a_revoked_token_and_a_revoked_credential_are_refused_at_once(world: World) -> None:
    async def story() -> None:
        caller = await _login(world)
        one, two = await _issue(world, caller), await _issue(world, caller)
        await tokens.revoke(world.ctx, caller, one.id)
        assert not await _is_good(world, one.access)
        assert await _is_good(world, two.access)
        await credentials.revoke(world.ctx, caller.account, caller.credential_id)
        assert not await _is_good(world, two.access)

    world.run(story)


def test_another_account_cannot_revoke_a_token(world: World) -> None:
    async def story() -> None:
        issued = await _issue(world, await _login(world))
        await tokens.revoke(world.ctx, await world.another_account("other"), issued.id)
        assert await _is_good(world, issued.access)

    world.run(story)


@pytest.mark.parametrize("jti", ["a\0b", "\0", "a\nb"])
def test_a_token_whose_id_cannot_be_one_is_refused(world: World, jti: str) -> None:
    async def story() -> None:
        issued = await _issue(world, await _login(world))
        claims = jwt.decode(issued.access, SECRET, algorithms=["HS256"], audience="smsgate")
        forged = jwt.encode(claims | {"jti": jti}, SECRET, algorithm="HS256")
        assert not await _is_good(world, forged)

    world.run(story)


def test_revoking_a_token_revokes_all_that_came_of_it(world: World) -> None:
    async def story() -> None:
        caller = await _login(world)
        first = await _issue(world, caller)
        refreshed = await _refresh(world, first.refresh)
        child = await _issue(world, await _caller(world, refreshed))
        grandchild = await _issue(world, await _caller(world, await _refresh(world, child.refresh)))
        other = await _issue(world, caller)
        await tokens.revoke(world.ctx, caller, first.id)
        for one in (first, refreshed, child, grandchild):
            assert not await _is_good(world, one.access)
            with pytest.raises(NotAuthenticated):
                await _refresh(world, one.refresh)
        assert await _is_good(world, other.access)

    world.run(story)


def test_revoking_a_child_leaves_its_issuer_alone(world: World) -> None:
    async def story() -> None:
        first = await _issue(world, await _login(world))
        caller = await _caller(world, first)
        child = await _issue(world, caller)
        await tokens.revoke(world.ctx, caller, child.id)
        assert not await _is_good(world, child.access)
        assert await _is_good(world, first.access)

    world.run(story)


def test_a_token_that_has_just_been_revoked_issues_none(world: World) -> None:
    async def story() -> None:
        first = await _issue(world, await _login(world))
        caller = await _caller(world, first)
        await tokens.revoke(world.ctx, caller, first.id)
        with pytest.raises(NotAuthenticated):
            await _issue(world, caller)

    world.run(story)


async def _caller(world: World, issued: IssuedTokens) -> Caller:
    return await tokens.authenticate(world.ctx, issued.access, dialect="smsgate")


async def _refresh(world: World, secret: str | None) -> IssuedTokens:
    assert secret is not None
    return await tokens.refresh(world.ctx, secret, dialect="smsgate", validity=HOUR, refresh_for=24 * HOUR)


def test_a_refresh_token_gives_new_tokens_with_the_same_scopes(world: World) -> None:
    async def story() -> None:
        issued = await _issue(world, await _login(world), ["messages:read"])
        fresh = await _refresh(world, issued.refresh)
        caller = await tokens.authenticate(world.ctx, fresh.access, dialect="smsgate")
        assert caller.scopes == frozenset({"messages:read"})
        assert fresh.refresh != issued.refresh

    world.run(story)


def test_a_refresh_token_used_twice_revokes_its_whole_family(world: World) -> None:
    async def story() -> None:
        issued = await _issue(world, await _login(world))
        fresh = await _refresh(world, issued.refresh)
        with pytest.raises(NotAuthenticated):
            await _refresh(world, issued.refresh)
        assert not await _is_good(world, issued.access)
        assert not await _is_good(world, fresh.access)
        with pytest.raises(NotAuthenticated):
            await _refresh(world, fresh.refresh)

    world.run(story)


def test_a_refresh_token_expires(world: World) -> None:
    async def story() -> None:
        issued = await _issue(world, await _login(world))
        world.time.advance(24 * HOUR)
        with pytest.raises(NotAuthenticated):
            await _refresh(world, issued.refresh)

    world.run(story)


def test_a_token_cannot_issue_more_scopes_than_it_has(world: World) -> None:
    async def story() -> None:
        issued = await _issue(world, await _login(world), ["messages:read", "tokens:manage"])
        caller = await tokens.authenticate(world.ctx, issued.access, dialect="smsgate")
        narrower = await _issue(world, caller, ["messages:read"])
        assert await _is_good(world, narrower.access)
        with pytest.raises(Forbidden, match="messages:send"):
            await _issue(world, caller, ["messages:send"])

    world.run(story)


def test_without_a_secret_no_token_is_signed(settings: Settings) -> None:
    world = World(settings)

    async def story() -> None:
        with pytest.raises(Misconfigured, match="DISPATCHER_JWT_SECRET"):
            await _issue(world, await _login(world))

    world.run(story)


def test_expired_tokens_are_deleted(world: World) -> None:
    async def story() -> None:
        issued = await _issue(world, await _login(world))
        assert await world.clock.forget() == 0
        world.time.advance(49 * HOUR)
        assert await world.clock.forget() == 1
        assert not await _is_good(world, issued.access)

    world.run(story)
