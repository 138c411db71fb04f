"""The checks of `dispatcher doctor`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from dispatcher.cli.commands.doctor import checks
from dispatcher.service.health.finding import Level
from dispatcher.settings import Settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("mode", "level"), [(0o600, Level.OK), (0o400, Level.OK), (0o640, Level.FAIL), (0o604, Level.FAIL)]
)
def test_secrets_must_be_readable_by_their_owner_only(tmp_path: Path, mode: int, level: Level) -> None:
    (tmp_path / "credentials.json").touch()
    (tmp_path / "credentials.json").chmod(mode)
    [finding] = checks.private_files(tmp_path)
    assert finding.level is level


def test_our_servers_are_ok_except_for_what_tests_switch_off(settings: Settings) -> None:
    assert [finding.level for finding in checks.postgres(settings)] == [Level.OK, Level.OK]
    levels: Mapping[str, Level] = {f.subject: f.level for f in checks.redis_server(settings)}
    assert levels == {"redis": Level.OK, "redis memory": Level.OK, "redis disk": Level.WARN}


def test_a_path_of_the_socket_may_have_any_character(settings: Settings, tmp_path: Path) -> None:
    """As with `dispatcher up` on such a data directory: SQLAlchemy writes a blank as a plus."""
    url = make_url(settings.database_url.get_secret_value())
    sockets = tmp_path / "a b+c%20d&e=f?g#h'i"
    sockets.symlink_to(str(url.query["host"]))
    odd = url.update_query_dict({"host": str(sockets)}).render_as_string(hide_password=False)
    findings = checks.postgres(settings.model_copy(update={"database_url": SecretStr(odd)}))
    assert [finding.level for finding in findings] == [Level.OK, Level.OK], findings


def test_unreachable_servers_fail_with_the_setting_to_check() -> None:
    away = Settings(database_url="postgresql://127.0.0.1:1/d", redis_url="redis://127.0.0.1:1/0")
    [postgres] = checks.postgres(away)
    [redis] = checks.redis_server(away)
    assert (postgres.level, redis.level) == (Level.FAIL, Level.FAIL)
    assert "DATABASE_URL" in postgres.advice
    assert "REDIS_URL" in redis.advice


def test_no_provider_is_a_failure(settings: Settings) -> None:
    assert checks.providers(settings).level is Level.FAIL


def test_the_disk_of_a_missing_directory_is_that_of_its_parent(tmp_path: Path) -> None:
    assert str(tmp_path) in checks.disk(tmp_path / "not" / "yet").text
