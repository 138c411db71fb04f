"""The command that the CLI prints for the next step."""

import sys
from pathlib import Path

import pytest

from dispatcher.cli.console import own_command


@pytest.mark.parametrize(
    ("started_as", "command"),
    [
        (".venv/bin/dispatcher", ".venv/bin/dispatcher"),
        ("{here}/.venv/bin/dispatcher", ".venv/bin/dispatcher"),
        ("{here}/on path/dispatcher", "dispatcher"),
        ("dispatcher", "./dispatcher"),
        ("/opt/my tools/dispatcher", "'/opt/my tools/dispatcher'"),
        ("/opt/lib/dispatcher/cli/__main__.py", "bin/python -m dispatcher.cli"),
    ],
)
def test_the_program_names_the_path_by_which_it_was_started(
    started_as: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path = tmp_path / "on path" / "dispatcher"
    on_path.parent.mkdir()
    on_path.touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(on_path.parent))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python"))
    monkeypatch.setattr(sys, "argv", [started_as.format(here=tmp_path), "up"])
    assert own_command() == command
