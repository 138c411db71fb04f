"""Operators at the command line: logins by password, tokens for programs."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dispatcher.bootstrap import open_context
from dispatcher.cli.app import build
from dispatcher.domain.errors import NotAuthenticated
from dispatcher.service.accounts import credentials
from dispatcher.service.accounts.credentials import Operator
from dispatcher.service.context import Context
from dispatcher.settings import Settings
from tests.cli.command import Run, refused

PASSWORD = "correct horse"


def test_an_operator_logs_in_with_the_password_of_a_file(
    cli: Run, settings: Settings, tmp_path: Path
) -> None:
    file = password_file(tmp_path, f"{PASSWORD}\n")
    made = cli("operator", "create", "ada", "--password-file", file)
    assert (made.code, made.out) == (0, "operator 1 is ada\n")
    assert by_password(settings, "ada", PASSWORD) == Operator(1, "ada")


def test_a_password_is_asked_for_twice_and_never_shown(cli: Run, settings: Settings) -> None:
    assert cli("operator", "list").code == 0  # the environment is as commands want it
    command = ["operator", "create", "ada", "--json"]
    done = CliRunner().invoke(build(command), command, input=f"{PASSWORD}\n{PASSWORD}\n")
    assert done.exit_code == 0
    assert [done.stderr.count(words) for words in ("Password:", "Repeat for confirmation:")] == [1, 1]
    assert PASSWORD not in done.output
    assert json.loads(done.stdout) == {"id": 1, "name": "ada"}
    assert by_password(settings, "ada", PASSWORD).name == "ada"


def test_a_password_that_is_not_repeated_is_asked_for_again(cli: Run) -> None:
    words = ["operator", "create", "ada"]
    done = CliRunner().invoke(build(words), words, input=f"{PASSWORD}\nother\n")
    assert done.exit_code == 1
    assert cli("operator", "list", "--json").json == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"short\n", "a password has at least 12 characters, not 5"),
        (b"one line of it\nanother\n", "has several lines, where one is wanted"),
        (b"caf\xe9 and more of it", "is not UTF-8"),
    ],
)
def test_a_password_that_is_none_makes_no_operator(
    cli: Run, tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "password").write_bytes(content)
    ended = cli("operator", "create", "ada", "--password-file", str(tmp_path / "password"))
    refused(ended, 2, words)
    assert cli("operator", "list", "--json").json == []


def test_a_password_file_that_is_not_there_is_named(cli: Run) -> None:
    refused(
        cli("operator", "create", "ada", "--password-file", "missing"),
        1,
        "missing: No such file or directory",
    )


def test_an_operators_name_is_taken_once(cli: Run, tmp_path: Path) -> None:
    words = ["operator", "create", "ada", "--password-file", password_file(tmp_path, PASSWORD)]
    assert cli(*words).code == 0
    refused(cli(*words), 1, "the name 'ada' is taken")


def test_a_token_is_alone_on_standard_output_and_good_for_managing(cli: Run, settings: Settings) -> None:
    made = cli("operator", "token", "--name", "backup")
    assert made.out.count("\n") == 1
    assert made.err.startswith("Operator's token 1, with no end.")
    assert by_token(settings, made.out.strip()) == Operator(1, "backup")
    assert cli("operator", "token", "--days", "30", "--json").json["expires_at"] is not None


def test_the_list_of_operators_has_logins_and_tokens_and_no_secret(cli: Run, tmp_path: Path) -> None:
    cli("operator", "create", "ada", "--password-file", password_file(tmp_path, PASSWORD))
    token = cli("operator", "token").out.strip()
    told = cli("operator", "list", "--json")
    assert [(one["for"], one["name"]) for one in told.json] == [
        ("manage console", "ada"),
        ("manage bearer", None),
    ]
    assert token not in told.out
    _, login, bearer = cli("operator", "list").out.splitlines()
    assert login.split()[:5] == ["1", "manage", "console", "ada", "-"]
    assert bearer.split()[:5] == ["2", "manage", "bearer", "-", token[:12]]


def test_a_revoked_operator_is_out_at_once(cli: Run, settings: Settings, tmp_path: Path) -> None:
    cli("operator", "create", "ada", "--password-file", password_file(tmp_path, PASSWORD))
    assert cli("operator", "revoke", "1").out == "operator 1 is revoked\n"
    with pytest.raises(NotAuthenticated):
        by_password(settings, "ada", PASSWORD)
    refused(cli("operator", "revoke", "1"), 1, "there is no credential 1 that is not revoked")


def test_a_key_of_an_account_is_not_revoked_as_an_operator(shop: Run) -> None:
    shop("key", "create", "shop")
    refused(shop("operator", "revoke", "1"), 1, "there is no credential 1")


def password_file(directory: Path, content: str) -> str:
    (directory / "password").write_text(content)
    return str(directory / "password")


def by_password(settings: Settings, name: str, password: str) -> Operator:
    return ask(settings, lambda ctx: credentials.operator_by_password(ctx, name, password))


def by_token(settings: Settings, token: str) -> Operator:
    return ask(settings, lambda ctx: credentials.operator_by_token(ctx, token))


def ask(settings: Settings, story: Callable[[Context], Awaitable[Operator]]) -> Operator:
    async def main() -> Operator:
        async with open_context(settings, name="test") as ctx:
            return await story(ctx)

    return asyncio.run(main())
