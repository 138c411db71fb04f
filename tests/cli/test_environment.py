"""Where a command looks for its dispatcher."""

import os
from pathlib import Path

import pytest

from dispatcher.domain.errors import Misconfigured
from dispatcher.local import environment
from tests.cli.command import Run, refused


def test_without_a_dispatcher_a_command_says_how_to_start_one(run: Run) -> None:
    refused(run("account", "list"), 2, "no dispatcher found (there is no .data/environment): start one with")


def test_one_url_alone_is_refused(run: Run) -> None:
    os.environ["REDIS_URL"] = "redis://127.0.0.1:1/0"
    refused(run("account", "list"), 2, "REDIS_URL is set and DATABASE_URL is not: set both, or neither")


def test_a_named_directory_without_a_stack_is_refused_whatever_the_environment_has(cli: Run) -> None:
    refused(cli("account", "list", "--data", "elsewhere"), 2, "there is no elsewhere/environment")


def test_the_named_directory_wins_over_urls_which_win_over_the_default_one(bare: Path) -> None:
    stack(bare / "named", "named")
    stack(bare / "default", "default")
    stack(bare / ".data", "shipped")
    urls = {"DATABASE_URL": "postgresql://env/d", "REDIS_URL": "redis://env/0"}
    assert found(bare / "named", urls) == "postgresql://named/d"
    assert found(None, urls | {"DISPATCHER_DATA": str(bare / "default")}) is None
    assert found(None, {"DISPATCHER_DATA": str(bare / "default")}) == "postgresql://default/d"
    assert found(None, {}) == "postgresql://shipped/d"


def test_other_settings_in_the_environment_win_over_those_of_the_directory(bare: Path) -> None:
    stack(bare / "named", "named")
    assert environment.find(bare / "named", {}) == environment.read(bare / "named" / "environment")
    assert "DISPATCHER_LEASE" not in environment.find(bare / "named", {"DISPATCHER_LEASE": "60"})


def test_a_command_works_on_the_stack_of_a_named_directory(shop: Run, bare: Path) -> None:
    environment.write(bare / "environment", os.environ)
    os.environ.update({"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"})
    assert shop("account", "show", "shop", "--data", str(bare)).code == 0


def test_an_environment_file_is_read_as_it_was_written_and_is_private(bare: Path) -> None:
    written = {"DATABASE_URL": "p", "REDIS_URL": "r", "DISPATCHER_PROVIDERS": '[{"a": "it\'s $HOME"}]\n#'}
    environment.write(bare / "environment", {**written, "HOME": "/", "DISPATCHER_LEASE_FILE": "f"})
    assert environment.read(bare / "environment") == written
    assert (bare / "environment").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["NAME\n", "NAME='open\n"])
def test_an_environment_file_that_cannot_be_read_is_named(bare: Path, text: str) -> None:
    (bare / "environment").write_text(text)
    with pytest.raises(Misconfigured, match="cannot be read as NAME=VALUE lines"):
        environment.read(bare / "environment")


def test_an_unreachable_database_is_reported_in_one_line(run: Run) -> None:
    os.environ.update({"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"})
    refused(run("account", "list"), 1, "is `dispatcher up` running? For details run `dispatcher doctor`")


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "hidden"),
        ("DATABASE_URL", "postgresql://user@host:hidden/d"),
        ("REDIS_URL", "hidden"),
        ("REDIS_URL", "http://hidden"),
        ("REDIS_URL", "redis://host:hidden/0"),
        ("DATABASE_URL", "postgresql://user:hidden@a:1,b:hidden/d"),
        ("REDIS_URL", "sentinel://:hidden@a:1,b:hidden/0?master_name=m"),
        ("REDIS_URL", "sentinel://:hidden@a:1/0"),
    ],
)
def test_a_url_that_cannot_be_read_is_named_and_not_shown(run: Run, name: str, url: str) -> None:
    os.environ.update({"DATABASE_URL": "postgresql://h/d", "REDIS_URL": "redis://h/0", name: url})
    refused(run("account", "list"), 2, f"{name} is not like ")
    written = run("doctor", "--json")
    assert (written.code, written.json[0]["subject"]) == (1, "settings")
    assert "hidden" not in written.out


def stack(directory: Path, host: str) -> None:
    """Write the environment file of a stack, as `dispatcher up` does."""
    directory.mkdir()
    written = {
        "DATABASE_URL": f"postgresql://{host}/d",
        "REDIS_URL": f"redis://{host}/0",
        "DISPATCHER_LEASE": "90",
    }
    environment.write(directory / "environment", written)


def found(data: Path | None, environ: dict[str, str]) -> str | None:
    return environment.find(data, environ).get("DATABASE_URL")
