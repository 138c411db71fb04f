"""NAME_FILE variables are replaced by NAME, for the processes that a command starts or becomes."""

from pathlib import Path

import pytest

from dispatcher.local import environment


def test_values_from_files_are_in_the_environment_afterwards(
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
