"""The first run and the ones after it: an account to play with, and how programs get at it."""

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

from dispatcher.bootstrap import open_context
from dispatcher.cli import credentials
from dispatcher.cli.credentials import Credentials
from dispatcher.domain.credential import CredentialKind
from dispatcher.service.credentials import by_secret
from dispatcher.settings import Settings

URLS = {"base_url": "http://a", "flower_url": "http://f", "sandbox_url": "http://s"}


def ensure(settings: Settings, file: Path, urls: dict[str, str] = URLS) -> Credentials:
    async def main() -> Credentials:
        async with open_context(settings, name="test") as ctx:
            made = await credentials.ensure(ctx, file, urls)
            caller = await by_secret(ctx, CredentialKind.BEARER, made.token, dialect="scheduler")
            assert (caller.account.name, caller.account.balance) == ("demo", 1_000_000)
            assert caller.account.default_country == "KE"
            return made

    return asyncio.run(main())


def read(file: Path) -> Any:
    return json.loads(file.read_text())


def test_the_first_run_tells_all_that_a_program_needs_to_this_user_only(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "credentials.json"
    made = ensure(settings, file)
    assert read(file) == {
        **URLS,
        "account": "demo",
        "scheduler": {"token": made.token, "senderId": made.sender_id},
        "sender": "DEMO",
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_later_run_keeps_the_token_and_what_else_is_there_and_tells_the_new_urls(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "credentials.json"
    first = ensure(settings, file)
    file.write_text(json.dumps({**read(file), "console": {"username": "me"}}))
    again = ensure(settings, file, {**URLS, "base_url": "http://b"})
    assert again == first
    assert read(file)["base_url"] == "http://b"
    assert read(file)["console"] == {"username": "me"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_token_that_opens_nothing_is_replaced(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    file.write_text('{"scheduler": {"token": "of another database"}}')
    assert ensure(settings, file).token.startswith("sms_")


def test_a_file_that_cannot_be_read_is_written_anew(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    file.write_text("{")
    assert ensure(settings, file).token == read(file)["scheduler"]["token"]
