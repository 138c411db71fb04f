"""Fixtures that run commands without a dispatcher, on an empty one, and on one with an account."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from dispatcher.cli import main
from tests.cli.command import CommandResult, Run

_OURS = ("DATABASE_URL", "REDIS_URL", "DISPATCHER_", "FLOWER_")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Yield an empty working directory, with no dispatcher in the environment; restore that afterwards."""
    before, logs = dict(os.environ), structlog.get_config()
    for name in before:
        if name.startswith(_OURS):
            del os.environ[name]
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    structlog.configure(**logs)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def run(bare: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command without a dispatcher."""

    def command(*arguments: str) -> CommandResult:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        printed = capsys.readouterr()
        code = caught.value.code
        assert isinstance(code, int)
        assert "Traceback" not in printed.err
        return CommandResult(code, printed.out, printed.err)

    return command


@pytest.fixture
def cli(run: Run, database_url: str, redis_url: str) -> Run:
    """Return a function that runs a command on an empty dispatcher."""
    os.environ.update({"DATABASE_URL": database_url, "REDIS_URL": redis_url})
    return run


@pytest.fixture
def shop(cli: Run) -> Run:
    """Return a function that runs a command on a dispatcher with an account `shop`."""
    assert cli("account", "create", "shop", "--credits", "100", "--country", "KE").code == 0
    return cli
