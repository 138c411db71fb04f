"""An embedded Valkey in DIR/valkey: on loopback with a password, durable, with a stable port."""

import contextlib
import secrets
import socket
from datetime import timedelta
from functools import partial
from pathlib import Path

from dispatcher.domain.errors import Misconfigured
from dispatcher.local.embedded.binaries import find_valkey
from dispatcher.local.embedded.managed_process import ManagedProcess
from dispatcher.local.embedded.ports import LOOPBACK, free_port, is_free

_SETTINGS = """\
# Rewritten at each start.
bind {host}
port {port}
protected-mode yes
requirepass {password}
dir {directory}
save ""
appendonly {appendonly}
appendfsync everysec
maxmemory-policy noeviction
daemonize no
logfile ""
loglevel notice
always-show-logo no
"""


def valkey_process(
    data_dir: Path, *, port: int | None = None, durable: bool = True, program: Path | None = None
) -> ManagedProcess:
    """
    Return the process that runs Valkey on DIR/valkey; its `url` is for redis-py and Celery.

    Without a port it uses the one of the last run if that is free, else any
    other; so call this after the supervisor has stopped the remains of that run.
    The password is created once and is only in files with mode 0600. With
    `durable=False`, for tests, nothing is written to disk.
    """
    home = data_dir.absolute() / "valkey"
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    number = port or _kept_port(home)
    password = _password(home)
    return ManagedProcess(
        name="valkey",
        argv=[str(program or find_valkey()), str(home / "valkey.conf")],
        url=f"redis://:{password}@{LOOPBACK}:{number}/0",
        prepare=partial(_write_settings, home, number, password, durable=durable),
        ready=partial(_is_ready, number, password),
        ready_timeout=timedelta(minutes=1),
        start_retry=timedelta(seconds=10),
        stop_timeout=timedelta(seconds=2),
    )


def _kept_port(home: Path) -> int:
    port_file = home / "port"
    with contextlib.suppress(FileNotFoundError, ValueError):
        if is_free(LOOPBACK, number := int(port_file.read_text(encoding="ascii"))):
            return number
    number = free_port()
    port_file.write_text(f"{number}\n", encoding="ascii")
    return number


def _password(home: Path) -> str:
    path = home / "password"
    with contextlib.suppress(FileNotFoundError):
        if password := path.read_text(encoding="ascii").strip():
            return password
    password = secrets.token_urlsafe(24)
    _write_private(path, password + "\n")
    return password


def _write_settings(home: Path, port: int, password: str, *, durable: bool) -> None:
    if "\n" in str(home):
        raise Misconfigured(f"Valkey cannot keep data in {str(home)!r}: the path has a line break")
    directory = '"' + str(home).replace("\\", "\\\\").replace('"', '\\"') + '"'
    appendonly = "yes" if durable else "no"
    text = _SETTINGS.format(
        host=LOOPBACK, port=port, password=password, directory=directory, appendonly=appendonly
    )
    _write_private(home / "valkey.conf", text)


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")


def _is_ready(port: int, password: str) -> bool:
    """Return whether it answers a PING with our password: not while it loads data, nor if it is not ours."""
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=2) as connection:
        connection.sendall(f"AUTH {password}\r\nPING\r\n".encode("ascii"))
        response = b""
        while response.count(b"\r\n") < 2 and (more := connection.recv(256)):
            response += more
        return response == b"+OK\r\n+PONG\r\n"
    return False
