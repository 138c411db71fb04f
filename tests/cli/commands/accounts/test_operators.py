"""`dispatcher operator`: logins with a password, and tokens for programs."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dispatcher.bootstrap import open_context
from dispatcher.cli.app import build
from dispatcher.domain.errors import NotAuthenticated
from dispatcher.service.accounts import operators
from dispatcher.service.accounts.operators import Operator
from dispatcher.service.context import Context
from dispatcher.settings import Settings
from tests.cli.command import Run, refused

PASSWORD = "correct horse"


def test_an_operator_logs_in_with_the_password_of_a_file(
    cli: Run, settings: Settings, tmp_path: Path
) -> None:
    file = password_file(tmp_path, f"{PASSWORD}\n")
    created = cli("operator", "create", "ada", "--password-file", file)
    assert (created.code, created.out) == (0, "operator 1 is ada\n")
    assert by_password(settings, "ada", PASSWORD) == Operator(1, "ada")


def test_a_password_is_asked_for_twice_and_never_shown(cli: Run, settings: Settings) -> None:
    assert cli("operator", "list").code == 0  # loads the environment, as a command needs it
    command = ["operator", "create", "ada", "--json"]
    result = CliRunner().invoke(build(command), command, input=f"{PASSWORD}\n{PASSWORD}\n")
    assert result.exit_code == 0
    assert [result.stderr.count(words) for words in ("Password:", "Repeat for confirmation:")] == [1, 1]
    assert PASSWORD not in result.output
    assert json.loads(result.stdout) == {"id": 1, "name": "ada"}
    assert by_password(settings, "ada", PASSWORD).name == "ada"


def test_a_password_that_is_not_repeated_is_asked_for_again(cli: Run) -> None:
    words = ["operator", "create", "ada"]
    result = CliRunner().invoke(build(words), words, input=f"{PASSWORD}\nother\n")
    assert result.exit_code == 1
    assert cli("operator", "list", "--json").json == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"short\n", "a password has at least 12 characters, not 5"),
        (b"one line of it\nanother\n", "has several lines, but must have one"),
        (b"caf\xe9 and more of it", "is not UTF-8"),
    ],
)
def test_a_wrong_password_creates_no_operator(cli: Run, tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "password").write_bytes(content)
    ended = cli("operator", "create", "ada", "--password-file", str(tmp_path / "password"))
    refused(ended, 2, words)
    assert cli("operator", "list", "--json").json == []


def test_a_missing_password_file_is_named(cli: Run) -> None:
    refused(
        cli("operator", "create", "ada", "--password-file", "missing"),
        1,
        "missing: No such file or directory",
    )


def test_an_operators_name_is_unique(cli: Run, tmp_path: Path) -> None:
    words = ["operator", "create", "ada", "--password-file", password_file(tmp_path, PASSWORD)]
    assert cli(*words).code == 0
    refused(cli(*words), 1, "the name 'ada' is taken")


def test_a_token_is_alone_on_standard_output_and_authenticates(cli: Run, settings: Settings) -> None:
    created = cli("operator", "token", "--name", "backup")
    assert created.out.count("\n") == 1
    assert created.err.startswith("Operator's token 1, never expires.")
    assert by_token(settings, created.out.strip()) == Operator(1, "backup")
    assert cli("operator", "token", "--days", "30", "--json").json["expires_at"] is not None


def test_the_list_of_operators_has_logins_and_tokens_and_no_secret(cli: Run, tmp_path: Path) -> None:
    cli("operator", "create", "ada", "--password-file", password_file(tmp_path, PASSWORD))
    token = cli("operator", "token").out.strip()
    printed = cli("operator", "list", "--json")
    assert [(one["for"], one["name"]) for one in printed.json] == [
        ("manage console", "ada"),
        ("manage bearer", None),
    ]
    assert token not in printed.out
    _, login, bearer = cli("operator", "list").out.splitlines()
    assert login.split()[:5] == ["1", "manage", "console", "ada", "-"]
    assert bearer.split()[:5] == ["2", "manage", "bearer", "-", token[:12]]


def test_a_revoked_operator_fails_to_log_in_at_once(cli: Run, settings: Settings, tmp_path: Path) -> None:
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
    return run(settings, lambda ctx: operators.by_password(ctx, name, password))


def by_token(settings: Settings, token: str) -> Operator:
    return run(settings, lambda ctx: operators.by_token(ctx, token))


def run(settings: Settings, action: Callable[[Context], Awaitable[Operator]]) -> Operator:
    async def main() -> Operator:
        async with open_context(settings, name="test") as ctx:
            return await action(ctx)

    return asyncio.run(main())
