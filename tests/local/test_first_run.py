"""The first run and later runs: the demo account and the file with its credentials."""

import asyncio
import json
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from dispatcher.bootstrap import open_context
from dispatcher.domain.accounts.account import AccountLimits, Caller
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.local import first_run
from dispatcher.local.dialect_credentials import CREDENTIALS, CredentialUse
from dispatcher.local.first_run import Credentials
from dispatcher.service.accounts import accounts, credentials, operators
from dispatcher.service.context import Context
from dispatcher.settings import Settings

T = TypeVar("T")

URLS = {"base_url": "http://a", "flower_url": "http://f", "sandbox_url": "http://s"}


def with_context(settings: Settings, action: Callable[[Context], Awaitable[T]]) -> T:
    async def main() -> T:
        async with open_context(settings, name="test") as ctx:
            return await action(ctx)

    return asyncio.run(main())


def ensure(settings: Settings, file: Path, urls: dict[str, str] = URLS) -> Credentials:
    return with_context(settings, lambda ctx: first_run.ensure(ctx, file, urls))


def read(file: Path) -> Any:
    return json.loads(file.read_text())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "credentials.json"


def test_the_first_run_writes_all_that_a_program_needs_to_a_private_file(
    settings: Settings, file: Path
) -> None:
    created = ensure(settings, file)
    content = read(file)
    assert list(content) == [
        "base_url", "flower_url", "sandbox_url", "account", "emess", "emsgnow", "formpost", "scheduler",
        "smsgate", "sender", "manage", "console",
    ]  # fmt: skip
    assert {name: content[name] for name in URLS} == URLS
    assert (content["account"], content["sender"]) == ("demo", "DEMO")
    assert content["scheduler"] == {"token": created.token, "senderId": created.sender_id}
    assert {name: list(content[name]) for name in ("emess", "emsgnow", "formpost", "smsgate")} == {
        "emess": ["appId", "secretKey"],
        "emsgnow": ["apiKey"],
        "formpost": ["username", "password", "apiKey"],
        "smsgate": ["login", "password"],
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("use", CredentialUse)
def test_each_credential_of_the_file_authenticates_the_demo_account(
    settings: Settings, file: Path, use: CredentialUse
) -> None:
    ensure(settings, file)
    credential = CREDENTIALS[use]
    parts = [read(file)[credential.dialect][name] for name in credential.field_names]

    async def authenticate(ctx: Context) -> Caller:
        if credential.kind.has_name:
            return await credentials.by_pair(ctx, credential.kind, *parts, dialect=credential.dialect)
        return await credentials.by_secret(ctx, credential.kind, *parts, dialect=credential.dialect)

    assert with_context(settings, authenticate).account.name == "demo"


def test_the_operators_of_the_file_can_log_in(settings: Settings, file: Path) -> None:
    ensure(settings, file)
    content = read(file)
    with_context(settings, lambda ctx: operators.by_token(ctx, content["manage"]["token"]))
    login = content["console"]
    operator = with_context(
        settings,
        lambda ctx: operators.by_password(ctx, login["username"], login["password"]),
    )
    assert operator.name == "admin"


def test_the_demo_account_has_credits_a_country_and_wide_limits(settings: Settings, file: Path) -> None:
    ensure(settings, file)
    account = with_context(settings, lambda ctx: accounts.find(ctx, "demo"))
    assert (account.balance, account.default_country) == (1_000_000, "KE")
    assert account.limits == AccountLimits(rate=6000)


def test_a_later_run_keeps_credentials_and_other_entries_and_writes_the_new_urls(
    settings: Settings, file: Path
) -> None:
    first = ensure(settings, file)
    before = {**read(file), "notes": {"of": "mine"}}
    file.write_text(json.dumps(before))
    again = ensure(settings, file, {**URLS, "base_url": "http://b"})
    assert again == first
    assert read(file) == {**before, "base_url": "http://b"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_later_run_keeps_changed_limits(settings: Settings, file: Path) -> None:
    ensure(settings, file)

    async def tighten(ctx: Context) -> None:
        await accounts.set_limits(ctx, await accounts.find(ctx, "demo"), AccountLimits(rate=60))

    with_context(settings, tighten)
    ensure(settings, file)
    assert with_context(settings, lambda ctx: accounts.find(ctx, "demo")).limits.rate == 60


def test_a_credential_that_fails_is_replaced_and_the_others_are_kept(settings: Settings, file: Path) -> None:
    ensure(settings, file)
    before = read(file)
    wrong = {
        **before,
        "scheduler": {"token": "of another database"},
        "emess": {**before["emess"], "secretKey": 7},
        "formpost": {**before["formpost"], "password": "wrong"},
        "manage": "not an object",
        "console": {**before["console"], "password": "wrong"},
    }
    file.write_text(json.dumps(wrong))
    ensure(settings, file)
    after = read(file)
    assert after["scheduler"]["token"].startswith("sms_")
    assert after["emess"]["appId"] != before["emess"]["appId"]
    assert after["formpost"]["username"] != before["formpost"]["username"]
    assert after["formpost"]["apiKey"] == before["formpost"]["apiKey"]
    assert after["manage"]["token"].startswith("sms_")
    assert after["console"]["username"].startswith("admin-")
    for name in ("emsgnow", "smsgate"):
        assert after[name] == before[name]


def test_a_key_of_another_account_is_replaced(settings: Settings, file: Path) -> None:
    async def foreign(ctx: Context) -> str:
        other = await accounts.create(ctx, "other")
        return (await credentials.create(ctx, other, CredentialKind.BEARER, dialect="scheduler")).secret

    token = with_context(settings, foreign)
    file.write_text(json.dumps({"scheduler": {"token": token}}))
    assert ensure(settings, file).token != token


def test_an_unreadable_file_is_replaced(settings: Settings, file: Path) -> None:
    file.write_text("{")
    assert ensure(settings, file).token == read(file)["scheduler"]["token"]
