"""The embedded PostgreSQL and Valkey: settings, durability, unusual directories and users."""

import os
import pwd
import shutil
import signal
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis

from dispatcher.domain.errors import Misconfigured
from dispatcher.local.embedded.child import Identity
from dispatcher.local.embedded.identity import prepare_user
from dispatcher.local.embedded.managed_process import ManagedProcess
from dispatcher.local.embedded.ports import LOOPBACK, free_port
from dispatcher.local.embedded.postgres import postgres_process
from dispatcher.local.embedded.servers import embedded_servers
from dispatcher.local.embedded.supervisor import Supervisor
from dispatcher.local.embedded.valkey import valkey_process
from tests.local.embedded.stub_processes import NOBODY, eventually, interpreter_for, needs, stranger, up

NAMELESS = 54321


def query(database_url: str, sql: str) -> str:
    with psycopg.connect(
        database_url.replace("postgresql+psycopg://", "postgresql://"), autocommit=True
    ) as connection:
        cursor = connection.execute(sql)
        return str((cursor.fetchone() or [""])[0]) if cursor.description else ""


def write(database_url: str, redis_url: str) -> None:
    query(database_url, "CREATE TABLE kept AS SELECT 'a row' AS what")
    with redis.Redis.from_url(redis_url) as client:
        client.set("kept", "a key")


def read(database_url: str, redis_url: str) -> tuple[str, str]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        return query(database_url, "SELECT what FROM kept"), str(client.get("kept"))


def answers(database_url: str) -> bool:
    try:
        return query(database_url, "SELECT 1") == "1"
    except psycopg.OperationalError:
        return False


def pings(redis_url: str) -> bool:
    try:
        with redis.Redis.from_url(redis_url) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """Yield a directory that every user can access, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="sms-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_data_survives_a_clean_stop(tmp_path: Path) -> None:
    with embedded_servers(tmp_path) as urls:
        write(*urls)
    with embedded_servers(tmp_path) as again:
        assert read(*again) == ("a row", "a key")
        assert again == urls


def test_data_survives_when_both_servers_are_killed(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        managed = postgres_process(tmp_path), valkey_process(tmp_path)
        supervisor.start(*managed)
        urls = [process.url for process in managed]
        write(*urls)
        before = [supervisor.pid(process.name) for process in managed]
        supervisor.kill("postgres", signal.SIGKILL)
        supervisor.kill("valkey", signal.SIGKILL)
        assert eventually(lambda: [supervisor.pid(process.name) for process in managed] != before)
        assert eventually(lambda: answers(urls[0]) and pings(urls[1]))
        assert read(*urls) == ("a row", "a key")


def test_postgres_is_durable_and_uses_utf8_and_utc(tmp_path: Path) -> None:
    expected = {"fsync": "on", "synchronous_commit": "on", "data_checksums": "on", "server_encoding": "UTF8"}
    expected |= {"TimeZone": "UTC", "max_connections": "200", "listen_addresses": ""}
    with _running(postgres_process(tmp_path), tmp_path) as url:
        assert {name: query(url, f"SHOW {name}") for name in expected} == expected
        assert query(url, "SELECT lower('Č')") == "č"
    assert "ready to accept connections" in (tmp_path / "logs" / "postgres.log").read_text()


def test_a_tcp_port_is_opened_only_on_request_and_needs_the_password(tmp_path: Path) -> None:
    port = free_port()
    with _running(postgres_process(tmp_path, port=port, durable=False), tmp_path):
        password = (tmp_path / "postgres" / "password").read_text().strip()
        address = f"postgresql://dispatcher:{{}}@{LOOPBACK}:{port}/dispatcher"
        assert query(address.format(password), "SELECT 1") == "1"
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            query(address.format("wrong"), "SELECT 1")


def test_valkey_writes_to_disk_and_never_evicts(tmp_path: Path) -> None:
    with (
        _running(valkey_process(tmp_path), tmp_path) as url,
        redis.Redis.from_url(url, decode_responses=True) as client,
    ):
        settings = client.config_get("append*", "maxmemory-policy")
        assert settings["appendonly"] == "yes"
        assert settings["appendfsync"] == "everysec"
        assert settings["maxmemory-policy"] == "noeviction"


def test_valkey_needs_the_password(tmp_path: Path) -> None:
    with _running(valkey_process(tmp_path, durable=False), tmp_path) as url:
        without = url.replace(f":{_password(url)}@", "")
        with redis.Redis.from_url(without) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()


def test_the_password_is_in_private_files_and_on_no_command_line(tmp_path: Path) -> None:
    process = valkey_process(tmp_path, durable=False)
    with _running(process, tmp_path) as url:
        assert not any(_password(url) in word for word in process.argv)
        for name in ("password", "valkey.conf"):
            assert stat.S_IMODE((tmp_path / "valkey" / name).stat().st_mode) == 0o600


def test_valkey_keeps_its_port_unless_another_process_has_it(tmp_path: Path) -> None:
    first = _port(valkey_process(tmp_path))
    assert _port(valkey_process(tmp_path)) == first
    with socket.create_server((LOOPBACK, first)):
        other = _port(valkey_process(tmp_path))
    assert other != first
    assert _port(valkey_process(tmp_path)) == other


def test_a_stale_lock_file_does_not_stop_postgres_even_if_the_pid_is_reused(tmp_path: Path) -> None:
    with _running(postgres_process(tmp_path, durable=False), tmp_path):
        lock = (tmp_path / "postgres" / "data" / "postmaster.pid").read_text()
    with stranger() as other:
        stale = f"{other.pid}\n" + lock.partition("\n")[2]
        (tmp_path / "postgres" / "data" / "postmaster.pid").write_text(stale)
        with _running(postgres_process(tmp_path, durable=False), tmp_path) as url:
            assert answers(url)
        assert other.poll() is None


def test_a_postgres_that_still_runs_on_the_directory_is_left_alone(tmp_path: Path) -> None:
    with _running(postgres_process(tmp_path, durable=False), tmp_path) as url:
        second = postgres_process(tmp_path, durable=False)
        assert second.prepare is not None
        with pytest.raises(Misconfigured, match="already runs on"):
            second.prepare()
        assert answers(url)


def test_an_interrupted_initdb_is_repeated(tmp_path: Path) -> None:
    half = tmp_path / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with _running(postgres_process(tmp_path, durable=False), tmp_path) as url:
        assert answers(url)
        assert not half.exists()


def test_data_of_another_major_version_is_refused_untouched(tmp_path: Path) -> None:
    data = tmp_path / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9\n")
    with Supervisor(tmp_path) as supervisor, pytest.raises(Misconfigured, match="written by PostgreSQL 9"):
        supervisor.start(postgres_process(tmp_path))
    assert [path.name for path in data.iterdir()] == ["PG_VERSION"]


def test_a_directory_may_have_a_long_and_odd_name(tmp_path: Path) -> None:
    folder = tmp_path / ('it\'s "long" ' + "x" * 120)
    with embedded_servers(folder) as urls:
        write(*urls)
        sockets = Path(urls[0].partition("host=")[2].partition("&")[0])
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    with embedded_servers(folder) as again:
        assert read(*again) == ("a row", "a key")
        assert again == urls
    assert not sockets.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("uid", [NOBODY, NAMELESS])
def test_an_ordinary_user_can_run_both(open_dir: Path, uid: int) -> None:
    python = interpreter_for(uid)
    os.chown(open_dir, uid, uid)
    for _ in range(2):
        with up(open_dir / "stack", "servers", uid=uid, python=python) as stack:
            assert Path(f"/proc/{stack.pids['postgres']}").stat().st_uid == uid
            assert answers(stack.urls["postgres"])
            assert pings(stack.urls["valkey"])


def test_nobody_runs_postgres_for_root_where_namespaces_are_refused(open_dir: Path) -> None:
    needs(Identity.NOBODY)
    for _ in range(2):
        with _running(postgres_process(open_dir, identities=[Identity.NOBODY]), open_dir) as url:
            query(url, "CREATE TABLE IF NOT EXISTS kept ()")
        assert (open_dir / "postgres" / "data").owner() == "nobody"


def test_data_created_inside_a_namespace_is_handed_to_nobody(open_dir: Path) -> None:
    needs(Identity.NAMESPACE)
    needs(Identity.NOBODY)
    with _running(postgres_process(open_dir, identities=[Identity.NAMESPACE]), open_dir) as url:
        query(url, "CREATE TABLE kept AS SELECT 'a row' AS what")
    with _running(postgres_process(open_dir, identities=[Identity.NOBODY]), open_dir) as url:
        assert query(url, "SELECT what FROM kept") == "a row"


def test_nobody_gets_accessible_copies_of_what_it_cannot_access(tmp_path: Path, open_dir: Path) -> None:
    needs(Identity.NOBODY)
    tmp_path.chmod(0o700)
    programs = tmp_path / "package" / "pginstall" / "bin"
    programs.mkdir(parents=True)
    (programs / "postgres").write_text("#!/bin/sh\n")
    (programs / "postgres").chmod(0o755)
    (tmp_path / "package.libs").mkdir()
    first = prepare_user(tmp_path / "home", programs, identities=[Identity.NOBODY], state=open_dir)
    again = prepare_user(tmp_path / "home", programs, identities=[Identity.NOBODY], state=open_dir)
    assert first == again
    assert first.home.parent == open_dir
    assert first.home.stat().st_uid == pwd.getpwnam("nobody").pw_uid
    assert first.home in first.binaries.parents
    assert (first.binaries.parents[2] / "package.libs").exists()


def test_data_that_nobody_cannot_access_is_never_replaced_by_an_empty_database(
    tmp_path: Path, open_dir: Path
) -> None:
    needs(Identity.NOBODY)
    tmp_path.chmod(0o700)
    (tmp_path / "home" / "data").mkdir(parents=True)
    with pytest.raises(Misconfigured, match="DATABASE_URL"):
        prepare_user(tmp_path / "home", Path("/bin"), identities=[Identity.NOBODY], state=open_dir)
    assert (tmp_path / "home" / "data").stat().st_uid == os.geteuid()


@contextmanager
def _running(process: ManagedProcess, data_dir: Path) -> Iterator[str]:
    """Run one process for the length of a block."""
    with Supervisor(data_dir) as supervisor:
        supervisor.start(process)
        yield process.url


def _password(url: str) -> str:
    return url.partition("//:")[2].partition("@")[0]


def _port(process: ManagedProcess) -> int:
    return int(process.url.rpartition(":")[2].partition("/")[0])
