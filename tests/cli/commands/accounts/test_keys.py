"""`dispatcher key`: create a key for a dialect, show it once, list, revoke."""

import asyncio
from collections.abc import Mapping

import pytest

from dispatcher.bootstrap import open_context
from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.errors import NotAuthenticated
from dispatcher.local.dialect_credentials import CREDENTIALS, CredentialUse
from dispatcher.service.accounts import credentials
from dispatcher.settings import Settings
from tests.cli.command import Run, refused


def test_a_key_is_alone_on_standard_output(shop: Run) -> None:
    ended = shop("key", "create", "shop")
    assert ended.code == 0
    assert ended.out.startswith("sms_")
    assert ended.out.count("\n") == 1
    assert "it cannot be shown again" in ended.err
    assert ended.out.strip() not in ended.err


def test_a_key_may_expire(shop: Run) -> None:
    key = shop("key", "create", "shop", "--days", "30", "--json").json
    assert (key["id"], key["account"], key["for"]) == (1, "shop", "scheduler")
    assert key["expires_at"] is not None
    assert shop("key", "create", "shop", "--json").json["expires_at"] is None


@pytest.mark.parametrize("days", ["0", "36501", "99999999999"])
def test_a_wrong_validity_creates_no_key(shop: Run, days: str) -> None:
    assert shop("key", "create", "shop", "--days", days).code == 2
    assert shop("key", "create", "shop", "--json").json["id"] == 1


@pytest.mark.parametrize(
    ("use", "field_names"),
    [
        (CredentialUse.EMESS, ["appId", "secretKey"]),
        (CredentialUse.EMSGNOW, ["apiKey"]),
        (CredentialUse.FORMPOST, ["username", "password"]),
        (CredentialUse.FORMPOST_KEY, ["apiKey"]),
        (CredentialUse.SCHEDULER, ["token"]),
        (CredentialUse.SMSGATE, ["login", "password"]),
    ],
)
def test_a_key_authenticates_and_has_the_field_names_of_its_dialect(
    shop: Run, settings: Settings, use: CredentialUse, field_names: list[str]
) -> None:
    printed = shop("key", "create", "shop", "--for", use, "--json").json
    assert list(printed)[-len(field_names) :] == field_names
    assert printed["for"] == use
    caller = authenticate(settings, use, {word: printed[word] for word in field_names})
    assert (caller.account.name, caller.credential_id, caller.is_test) == ("shop", printed["id"], False)


def test_a_key_of_two_parts_is_a_line_for_each(shop: Run) -> None:
    created = shop("key", "create", "shop", "--for", "emess", "--name", "till-1")
    name, secret = created.out.splitlines()
    assert name.split() == ["appId", "till-1"]
    assert secret.split()[0] == "secretKey"
    assert secret.split()[1].startswith("sms_")
    assert created.err.startswith("Key 1 of shop for emess, never expires.")


def test_a_test_key_is_marked_as_such(shop: Run, settings: Settings) -> None:
    created = shop("key", "create", "shop", "--test", "--json").json
    assert created["test"] is True
    assert authenticate(settings, CredentialUse.SCHEDULER, {"token": created["token"]}).is_test
    assert shop("key", "create", "shop", "--test").err.startswith("Test key 2 of shop for scheduler")


def test_a_name_is_unique_for_each_use(shop: Run) -> None:
    assert shop("key", "create", "shop", "--for", "smsgate", "--name", "till").code == 0
    refused(
        shop("key", "create", "shop", "--for", "smsgate", "--name", "till"), 1, "the name 'till' is taken"
    )
    assert shop("key", "create", "shop", "--for", "emess", "--name", "till").code == 0


def test_a_name_that_basic_authentication_cannot_carry_is_refused(shop: Run) -> None:
    ended = shop("key", "create", "shop", "--for", "smsgate", "--name", "a:b")
    refused(ended, 2, "'a:b' is not a valid credential name")


def test_the_list_of_keys_has_no_secrets(shop: Run) -> None:
    secret = shop("key", "create", "shop", "--for", "formpost-key", "--name", "website").out.strip()
    shop("key", "create", "shop", "--for", "emess", "--test")
    listed = shop("key", "list", "shop")
    header, first, second = listed.out.splitlines()
    assert header.split() == [
        "id", "for", "name", "begins", "with", "test", "created", "expires", "revoked", "last", "used",
    ]  # fmt: skip
    assert first.split()[:4] == ["1", "formpost-key", "website", secret[:12]]
    assert second.split()[4] == "yes"
    printed = shop("key", "list", "shop", "--json")
    assert [key["for"] for key in printed.json] == ["formpost-key", "emess"]
    assert secret not in listed.out + printed.out


def test_a_revoked_key_fails_to_authenticate_and_stays_listed(shop: Run, settings: Settings) -> None:
    created = shop("key", "create", "shop", "--json").json
    assert shop("key", "revoke", "shop", "1").out == "key 1 of shop is revoked\n"
    with pytest.raises(NotAuthenticated):
        authenticate(settings, CredentialUse.SCHEDULER, {"token": created["token"]})
    [listed] = shop("key", "list", "shop", "--json").json
    assert listed["revoked_at"] is not None
    refused(shop("key", "revoke", "shop", "1"), 1, "there is no credential 1 that is not revoked")


def test_a_key_of_another_account_is_not_revoked(shop: Run, settings: Settings) -> None:
    created = shop("key", "create", "shop", "--json").json
    shop("account", "create", "other")
    refused(shop("key", "revoke", "other", "1"), 1, "there is no credential 1")
    assert authenticate(settings, CredentialUse.SCHEDULER, {"token": created["token"]}).account.name == "shop"


@pytest.mark.parametrize("key_id", ["0", "one", "9223372036854775808"])
def test_a_wrong_key_id_is_a_usage_error(shop: Run, key_id: str) -> None:
    assert shop("key", "revoke", "shop", key_id).code == 2


def test_an_unknown_use_is_a_usage_error(shop: Run) -> None:
    assert shop("key", "create", "shop", "--for", "back").code == 2


def authenticate(settings: Settings, use: CredentialUse, key: Mapping[str, str]) -> Caller:
    """Return the caller that a key authenticates, as its dialect does it."""
    credential, parts = CREDENTIALS[use], list(key.values())

    async def main() -> Caller:
        async with open_context(settings, name="test") as ctx:
            if credential.kind.has_name:
                return await credentials.by_pair(ctx, credential.kind, *parts, dialect=credential.dialect)
            return await credentials.by_secret(ctx, credential.kind, *parts, dialect=credential.dialect)

    return asyncio.run(main())
