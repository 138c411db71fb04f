"""Debian's PgBouncer between a test and its Postgres."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from dispatcher.local.embedded import child
from dispatcher.local.embedded.child import Identity
from dispatcher.local.embedded.ports import LOOPBACK, free_port
from tests.installed import require

_SETTINGS = """\
[databases]
* = host={host} port={server_port} user={user}
[pgbouncer]
listen_addr = {listen}
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
ignore_startup_parameters = {ignored}
logfile =
pidfile =
"""
_START = 10.0


@contextmanager
def pgbouncer(database_url: str, *, mode: str, size: int = 2, ignored: str = "") -> Iterator[str]:
    """
    Run PgBouncer before the embedded Postgres of this URL; yield the URL of the same database behind it.

    It shares `size` connections among all clients. As root it runs as the user
    of Postgres: PgBouncer refuses root, and others cannot use the socket.
    """
    program, server, port = require("pgbouncer"), make_url(database_url), free_port()
    sockets = str(server.query["host"])
    settings = _SETTINGS.format(
        host=sockets,
        server_port=server.query["port"],
        user=server.username,
        listen=LOOPBACK,
        port=port,
        mode=mode,
        size=size,
        ignored=ignored,
    )
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    try:
        folder.chmod(0o755)
        file = folder / "pgbouncer.ini"
        file.write_text(settings, encoding="utf-8")
        file.chmod(0o644)
        log = folder / "log"
        with log.open("w", encoding="utf-8") as output:
            process = subprocess.Popen(
                child.command([program, str(file)], identity=_identity(Path(sockets))),
                stderr=output,
                stdout=output,
                cwd="/",
            )
        try:
            _wait(process, port, log)
            yield f"postgresql://{server.username}@{LOOPBACK}:{port}/{server.database}"
        finally:
            process.kill()
            process.wait()
    finally:
        shutil.rmtree(folder)


def _identity(sockets: Path) -> Identity:
    if os.geteuid() != 0:
        return Identity.SELF
    return Identity.NAMESPACE if sockets.stat().st_uid == 0 else Identity.NOBODY


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    until = time.monotonic() + _START
    while time.monotonic() < until:
        if process.poll() is not None:
            raise AssertionError(f"PgBouncer ended: {log.read_text(encoding='utf-8')}")
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
            return
        time.sleep(0.02)
    raise AssertionError("PgBouncer does not listen")
