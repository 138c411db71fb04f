"""Secrets from files: the processes that a command starts or becomes get them too."""

from pathlib import Path

import pytest

from dispatcher.local import environment


def test_what_came_from_a_file_is_there_for_the_processes_that_come_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "url").write_text("postgresql://from/file\n")
    environ = {
        "DATABASE_URL_FILE": str(tmp_path / "url"),
        "REDIS_URL": "redis://r/0",
        "DISPATCHER_FLOWER_AUTH_FILE": str(tmp_path / "url"),
        "DISPATCHER_LEASE": "60",
    }
    monkeypatch.setattr("os.environ", environ)
    settings = environment.inline_files()
    assert settings.database_url.get_secret_value() == "postgresql://from/file"
    assert environ == {
        "DATABASE_URL": "postgresql://from/file",
        "REDIS_URL": "redis://r/0",
        "DISPATCHER_FLOWER_AUTH": "postgresql://from/file",
        "DISPATCHER_LEASE": "60",
    }
