"""Credentials: shown once, stored as digests, refused as soon as they expire or are revoked."""

from datetime import timedelta

import pytest

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.domain.delivery.provider import ProviderConfig, Traffic
from dispatcher.domain.errors import AlreadyExists, CredentialExpired, Invalid, NotAuthenticated, NotFound
from dispatcher.domain.messages.status import Status
from dispatcher.service.accounts import credentials, operators
from dispatcher.service.accounts.credentials import MANAGE, NewKey
from tests.world import ScriptedProvider, World

DAY = timedelta(days=1)


async def _key(world: World, kind: CredentialKind = CredentialKind.API_KEY, **more: object) -> NewKey:
    return await credentials.create(
        world.ctx,
        world.caller.account,
        kind,
        dialect="emsgnow",
        **more,  # type: ignore[arg-type]
    )


def _caller(world: World, *, is_test: bool = False) -> Caller:
    return Caller(world.caller.account, "emsgnow", is_test=is_test)


async def _opens(world: World, key: NewKey, *, dialect: str = "emsgnow") -> bool:
    try:
        await credentials.by_secret(world.ctx, CredentialKind.API_KEY, key.secret, dialect=dialect)
    except NotAuthenticated:
        return False
    return True


def test_a_secret_is_not_stored_in_plain_text(world: World) -> None:
    async def story() -> None:
        key = await _key(world)
        row = await world.one("SELECT * FROM credentials WHERE id = :id", id=key.id)
        kept = " ".join(str(value) for value in row)
        assert key.secret not in kept
        assert key.secret.startswith(row.hint)
        assert len(key.secret) > len(row.hint) + 30

    world.run(story)


def test_a_credential_is_valid_for_one_dialect_only(world: World) -> None:
    async def story() -> None:
        key = await _key(world)
        assert await _opens(world, key)
        assert not await _opens(world, key, dialect="formpost")

    world.run(story)


def test_a_credential_presented_as_another_kind_is_refused(world: World) -> None:
    async def story() -> None:
        key = await _key(world)
        with pytest.raises(NotAuthenticated):
            await credentials.by_secret(world.ctx, CredentialKind.BEARER, key.secret, dialect="emsgnow")

    world.run(story)


def test_a_revoked_credential_is_refused_at_once(world: World) -> None:
    async def story() -> None:
        key = await _key(world)
        await credentials.revoke(world.ctx, world.caller.account, key.id)
        assert not await _opens(world, key)
        with pytest.raises(NotFound):
            await credentials.revoke(world.ctx, world.caller.account, key.id)

    world.run(story)


def test_another_account_cannot_revoke_it(world: World) -> None:
    async def story() -> None:
        key = await _key(world)
        other = await world.another_account("other")
        with pytest.raises(NotFound):
            await credentials.revoke(world.ctx, other.account, key.id)
        assert await _opens(world, key)

    world.run(story)


def test_an_expired_credential_and_an_unknown_one_have_different_errors(world: World) -> None:
    async def story() -> None:
        key = await _key(world, validity=DAY)
        world.time.advance(DAY - timedelta(seconds=1))
        assert await _opens(world, key)
        world.time.advance(timedelta(seconds=1))
        with pytest.raises(CredentialExpired):
            await credentials.by_secret(world.ctx, CredentialKind.API_KEY, key.secret, dialect="emsgnow")

    world.run(story)


@pytest.mark.parametrize("kind", [kind for kind in CredentialKind if kind.has_name])
def test_a_named_credential_needs_both_halves(world: World, kind: CredentialKind) -> None:
    async def story() -> None:
        key = await _key(world, kind)
        other = await _key(world, kind)
        assert key.name is not None
        caller = await credentials.by_pair(world.ctx, kind, key.name, key.secret, dialect="emsgnow")
        assert caller.account.name == "shop"
        for name, secret in [(key.name, other.secret), ("nobody", key.secret), (key.name, "")]:
            with pytest.raises(NotAuthenticated, match="unknown or revoked"):
                await credentials.by_pair(world.ctx, kind, name, secret, dialect="emsgnow")

    world.run(story)


@pytest.mark.parametrize("name", ["a\x00b", "\ud800", "", "x" * 100_000])
def test_an_invalid_name_is_not_authenticated(world: World, name: str) -> None:
    async def story() -> None:
        for kind in (CredentialKind.APP, CredentialKind.USER, CredentialKind.LOGIN):
            with pytest.raises(NotAuthenticated):
                await credentials.by_pair(world.ctx, kind, name, "secret", dialect="emsgnow")
        with pytest.raises(NotAuthenticated):
            await operators.by_password(world.ctx, name, "correct horse battery")

    world.run(story)


def test_a_name_is_free_again_when_its_credential_was_revoked(world: World) -> None:
    async def story() -> None:
        key = await _key(world, CredentialKind.USER, name="shop")
        with pytest.raises(AlreadyExists):
            await _key(world, CredentialKind.USER, name="shop")
        await credentials.revoke(world.ctx, world.caller.account, key.id)
        await _key(world, CredentialKind.USER, name="shop")

    world.run(story)


@pytest.mark.parametrize("name", ["", " x", "a:b", "x" * 201, "a\nb"])
def test_a_name_that_basic_authentication_cannot_carry_is_refused(world: World, name: str) -> None:
    async def story() -> None:
        with pytest.raises(Invalid):
            await _key(world, CredentialKind.LOGIN, name=name)

    world.run(story)


def test_a_second_key_is_only_generated_when_the_first_has_ended(world: World) -> None:
    async def story() -> None:
        caller, kind = _caller(world), CredentialKind.API_KEY
        first = await credentials.generate(world.ctx, caller, kind, validity=DAY)
        with pytest.raises(AlreadyExists):
            await credentials.generate(world.ctx, caller, kind, validity=DAY)
        assert await _opens(world, first)
        world.time.advance(DAY)
        second = await credentials.generate(world.ctx, caller, kind, validity=None)
        assert await _opens(world, second)

    world.run(story)


def test_regenerating_revokes_the_old_key_and_creates_a_new_one(world: World) -> None:
    async def story() -> None:
        old = await _key(world)
        new = await credentials.regenerate(world.ctx, _caller(world), CredentialKind.API_KEY, validity=None)
        assert not await _opens(world, old)
        assert await _opens(world, new)

    world.run(story)


@pytest.mark.parametrize("is_test", [True, False])
def test_a_caller_replaces_and_revokes_only_keys_of_its_own_kind_live_or_test(
    world: World, is_test: bool
) -> None:
    async def story() -> None:
        kind, caller = CredentialKind.API_KEY, _caller(world, is_test=is_test)
        other = await _key(world, is_test=not is_test)
        for make in (credentials.generate, credentials.regenerate):
            made = await make(world.ctx, caller, kind, validity=None)
            found = await credentials.by_secret(world.ctx, kind, made.secret, dialect="emsgnow")
            assert found.is_test is is_test
        await credentials.revoke_all(world.ctx, caller, kind)
        with pytest.raises(NotFound):
            await credentials.revoke_all(world.ctx, caller, kind)
        assert await _opens(world, other)

    world.run(story)


def test_revoking_all_finds_nothing_the_second_time(world: World) -> None:
    async def story() -> None:
        await _key(world)
        await credentials.revoke_all(world.ctx, _caller(world), CredentialKind.API_KEY)
        with pytest.raises(NotFound):
            await credentials.revoke_all(world.ctx, _caller(world), CredentialKind.API_KEY)

    world.run(story)


def test_the_last_use_is_noted_once_a_minute(world: World) -> None:
    async def story() -> None:
        key = await _key(world)
        begun = world.time.now()
        for _ in range(3):
            assert await _opens(world, key)
            world.time.advance(timedelta(seconds=20))
        [listed] = await credentials.page(world.ctx, world.caller.account)
        assert listed.last_used_at == begun
        world.time.advance(timedelta(seconds=1))
        assert await _opens(world, key)
        [listed] = await credentials.page(world.ctx, world.caller.account)
        assert listed.last_used_at == world.time.now()

    world.run(story)


def test_messages_of_a_test_credential_are_free_and_go_only_to_providers_that_take_tests(
    world: World,
) -> None:
    world.providers = {"live": ScriptedProvider(), "tests": ScriptedProvider()}
    for name, takes in (("live", Traffic.LIVE), ("tests", Traffic.TESTS)):
        world.configs[name] = ProviderConfig(name=name, plugin="test", options={}, tps=10_000, takes=takes)

    async def story() -> None:
        key = await _key(world, is_test=True)
        caller = await credentials.by_secret(world.ctx, CredentialKind.API_KEY, key.secret, dialect="emsgnow")
        batch = await world.submit(caller=caller)
        assert batch.charged == 0
        await world.deliver()
        row = await world.row(batch.messages[0].id)
        assert (row.is_test, row.status, row.provider) == (True, Status.SENT, "tests")
        assert world.providers["live"].seen == []

    world.run(story)


def test_an_operator_logs_in_with_a_password_that_is_kept_as_argon2(world: World) -> None:
    async def story() -> None:
        await operators.create(world.ctx, "ann", "correct horse battery")
        operator = await operators.by_password(world.ctx, "ann", "correct horse battery")
        assert operator.name == "ann"
        row = await world.one("SELECT password_hash, digest FROM credentials")
        assert row.password_hash.startswith("$argon2id$")
        assert row.digest is None
        for name, password in [("ann", "wrong horse battery"), ("bob", "correct horse battery")]:
            with pytest.raises(NotAuthenticated):
                await operators.by_password(world.ctx, name, password)

    world.run(story)


def test_a_short_password_is_refused(world: World) -> None:
    async def story() -> None:
        with pytest.raises(Invalid, match="at least 12 characters"):
            await operators.create(world.ctx, "ann", "short")

    world.run(story)


@pytest.mark.parametrize("password", ["x" * 64, "Pä ss\twörd 漢字 🙂", " twelve blank ", "ſtraße" * 30])
def test_a_password_may_have_any_characters_and_counts_as_it_was_given(world: World, password: str) -> None:
    async def story() -> None:
        await operators.create(world.ctx, "ann", password)
        await operators.by_password(world.ctx, "ann", password)
        for other in (password[:-1], password.swapcase(), password.strip(" ") + "!"):
            with pytest.raises(NotAuthenticated):
                await operators.by_password(world.ctx, "ann", other)

    world.run(story)


def test_an_operator_s_token_has_no_account(world: World) -> None:
    async def story() -> None:
        key = await credentials.create(world.ctx, None, CredentialKind.BEARER, dialect=MANAGE)
        operator = await operators.by_token(world.ctx, key.secret)
        assert operator.credential_id == key.id
        with pytest.raises(NotAuthenticated):
            await operators.by_token(world.ctx, "sms_nonsense")

    world.run(story)
