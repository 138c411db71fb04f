"""An embedded PostgreSQL in DIR/postgres: created once, started on a Unix socket, its data kept."""

import contextlib
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import quote

import psycopg

from dispatcher.domain.errors import Misconfigured
from dispatcher.local.embedded import child, processes
from dispatcher.local.embedded.binaries import find_postgres, postgres_major
from dispatcher.local.embedded.child import Identity
from dispatcher.local.embedded.identity import PostgresUser, prepare_user
from dispatcher.local.embedded.managed_process import ManagedProcess

_NAME = "dispatcher"  # of the superuser and of the database
_SOCKET_NUMBER = 5432  # only part of the socket's file name unless a TCP port is requested
_SOCKET_PATH_LIMIT = 100  # sun_path has 108 bytes on Linux and 104 on macOS

_SETTINGS = """\
# Rewritten at each start. For settings of your own use ALTER SYSTEM.
max_connections = 200
shared_buffers = 128MB
max_wal_size = 2GB
checkpoint_timeout = 15min
wal_compression = on
random_page_cost = 1.1
jit = off
max_parallel_workers_per_gather = 0  # containers have 64 MB of /dev/shm
huge_pages = off
timezone = UTC
log_timezone = UTC
# Rows of the queue are updated many times.
autovacuum_naptime = 10s
autovacuum_vacuum_scale_factor = 0.02
autovacuum_analyze_scale_factor = 0.02
autovacuum_vacuum_cost_delay = 0
# To standard error, which goes to DIR/logs. Terse: a DETAIL line may have a number or a text.
log_destination = stderr
logging_collector = off
log_checkpoints = off
log_error_verbosity = terse
log_min_error_statement = panic
"""
_DURABLE = "fsync = on\nfull_page_writes = on\nsynchronous_commit = on\n"
_NOT_DURABLE = "fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n"


@dataclass(frozen=True, slots=True)
class _Cluster:
    user: PostgresUser
    sockets: Path
    port: int | None
    durable: bool

    @property
    def data(self) -> Path:
        return self.user.home / "data"

    @property
    def number(self) -> int:
        return self.port or _SOCKET_NUMBER

    def program(self, name: str) -> str:
        return str(self.user.binaries / name)


def postgres_process(
    data_dir: Path,
    *,
    port: int | None = None,
    durable: bool = True,
    binaries: Path | None = None,
    identities: Sequence[Identity] | None = None,
) -> ManagedProcess:
    """
    Return the process that runs PostgreSQL on DIR/postgres; its `url` is for SQLAlchemy.

    The directory of the socket is closed to other users, so the socket needs
    no password. A TCP port on loopback is opened only if one is given, and
    needs the password in `postgres/password`. With `durable=False`, for tests,
    a crash of the machine may lose the data.
    """
    home = data_dir.absolute() / "postgres"
    user = prepare_user(home, binaries or find_postgres(), identities=identities)
    cluster = _Cluster(user, _socket_directory(user), port, durable)
    return ManagedProcess(
        name="postgres",
        argv=[cluster.program("postgres"), "-D", str(cluster.data)],
        env={"LC_ALL": "C"},
        url=f"postgresql+psycopg://{_NAME}@/{_NAME}?host={quote(str(cluster.sockets))}&port={cluster.number}",
        prepare=partial(_prepare, cluster),
        clean_up=partial(_remove_if_empty, cluster.sockets),
        ready=partial(_is_ready, cluster),
        ready_timeout=timedelta(minutes=2),  # after a crash it replays its log first
        start_retry=timedelta(seconds=10),
        stop_signal=signal.SIGINT,  # "fast" shutdown: ends sessions, loses nothing
        stop_timeout=timedelta(seconds=3),
        identity=user.identity,
    )


def _prepare(cluster: _Cluster) -> None:
    if not (cluster.data / "PG_VERSION").exists():
        _initialise(cluster)
    _refuse_other_version(cluster)
    _remove_stale_lock(cluster)
    _prepare_socket_directory(cluster.sockets, cluster.user.identity)
    _write_settings(cluster)


def _initialise(cluster: _Cluster) -> None:
    """Create the cluster under another name first, so that a crash leaves no half-finished one."""
    unfinished = cluster.user.home / "data.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    sync = [] if cluster.durable else ["--no-sync"]
    locale = ["--locale=C", "--encoding=UTF8"]
    if postgres_major(cluster.user.binaries) >= 17:
        locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    initdb = [cluster.program("initdb"), f"--pgdata={unfinished}", f"--username={_NAME}", "--data-checksums"]
    # All commits wait while a new segment is filled with zeros: 70 ms each time for the default 16 MB.
    initdb.append("--wal-segsize=4")
    auth = ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={_password_file(cluster.user)}"]
    _run(cluster, [*initdb, *auth, *locale, *sync])
    single = [cluster.program("postgres"), "--single", "-D", str(unfinished), "postgres"]
    _run(cluster, single, text=f"CREATE DATABASE {_NAME}\n")
    unfinished.rename(cluster.data)


def _run(cluster: _Cluster, argv: list[str], *, text: str = "") -> None:
    done = subprocess.run(  # noqa: S603
        child.command(argv, identity=cluster.user.identity),
        input=text,
        capture_output=True,
        text=True,
        cwd=cluster.user.home,
        env={**os.environ, "LC_ALL": "C"},
    )
    if done.returncode != 0:
        raise Misconfigured(
            f"{argv[0]} failed in {cluster.user.home}: {(done.stderr or done.stdout).strip()}"
        )


def _password_file(user: PostgresUser) -> Path:
    path = user.home / "password"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24) + "\n", encoding="ascii")
        _chown(path, user.identity)
    return path


def _refuse_other_version(cluster: _Cluster) -> None:
    written = int((cluster.data / "PG_VERSION").read_text(encoding="ascii"))
    running = postgres_major(cluster.user.binaries)
    if written != running:
        raise Misconfigured(
            f"{cluster.data} was written by PostgreSQL {written}, and this is {running}: "
            f"dump it with {written} and load it into a new directory, or use version {written}"
        )


def _remove_stale_lock(cluster: _Cluster) -> None:
    """
    Remove the postmaster.pid of a killed run.

    Postgres removes it itself unless a process of this user has that pid now,
    which is common after the restart of a container.
    """
    lock = cluster.data / "postmaster.pid"
    try:
        pid = int(lock.read_text(encoding="utf-8").partition("\n")[0])
    except (FileNotFoundError, ValueError):
        lock.unlink(missing_ok=True)
        return
    if processes.works_in(pid, cluster.data):
        raise Misconfigured(f"PostgreSQL already runs on {cluster.data} as pid {pid}")
    lock.unlink()


def _write_settings(cluster: _Cluster) -> None:
    listen = "127.0.0.1" if cluster.port else ""
    own = (
        f"listen_addresses = '{listen}'\nport = {cluster.number}\n"
        f"unix_socket_directories = '{_quoted(cluster.sockets)}'\nunix_socket_permissions = 0700\n"
    )
    path = cluster.data / "postgresql.conf"
    path.write_text(_SETTINGS + (_DURABLE if cluster.durable else _NOT_DURABLE) + own, encoding="utf-8")


def _quoted(path: Path) -> str:
    """Return a path as one element of a quoted list inside a quoted string."""
    escaped = str(path).replace("\\", "\\\\").replace("'", "''").replace('"', '""')
    return f'"{escaped}"'


def _socket_directory(user: PostgresUser) -> Path:
    """Return a directory with a path short enough for sockets; the same for the same data."""
    if _is_short_enough(user.home / "run"):
        return user.home / "run"
    digest = hashlib.sha256(f"{os.geteuid()}:{user.home}".encode()).hexdigest()[:16]
    name = f"sms-dispatcher-{digest}"
    temporary = Path(tempfile.gettempdir()) / name
    return temporary if _is_short_enough(temporary) else Path("/tmp") / name  # noqa: S108 - made 0700 and checked for its owner


def _is_short_enough(folder: Path) -> bool:
    return len(os.fsencode(folder / f".s.PGSQL.{65535}")) <= _SOCKET_PATH_LIMIT


def _prepare_socket_directory(folder: Path, identity: Identity) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    _chown(folder, identity)
    if folder.is_symlink() or folder.stat().st_uid != _owner(identity) or folder.stat().st_mode & 0o077:
        raise Misconfigured(
            f"{folder}, which the socket of PostgreSQL needs, belongs to another user: remove it"
        )


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def _chown(path: Path, identity: Identity) -> None:
    if identity is Identity.NOBODY and path.stat().st_uid == os.geteuid():
        os.chown(path, _owner(identity), -1, follow_symlinks=False)


def _owner(identity: Identity) -> int:
    return pwd.getpwnam("nobody").pw_uid if identity is Identity.NOBODY else os.geteuid()


def _is_ready(cluster: _Cluster) -> bool:
    try:
        with psycopg.connect(
            host=str(cluster.sockets), port=cluster.number, user=_NAME, dbname=_NAME, connect_timeout=2
        ) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False
