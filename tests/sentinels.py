"""A Valkey with a replica, and a sentinel that replaces it by the replica when it dies."""

import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import redis
from redis.exceptions import RedisError

from dispatcher.local.embedded import child
from dispatcher.local.embedded.binaries import find_valkey
from dispatcher.local.embedded.ports import LOOPBACK, free_port

MASTER = "mymaster"
_COMMON = """\
bind {host}
port {port}
dir {folder}
daemonize no
"""
_SERVER = (
    _COMMON
    + """\
save ""
appendonly no
repl-diskless-sync-delay 0
requirepass {password}
masterauth {password}
"""
)
_SENTINEL = (
    _COMMON
    + """\
requirepass {sentinel_password}
sentinel monitor {name} {host} {master} 1
sentinel auth-pass {name} {password}
sentinel down-after-milliseconds {name} 500
sentinel failover-timeout {name} 2000
"""
)
_WAIT = 15.0


class Sentinels:
    """Two servers and their sentinel. `url` names a dead sentinel first, `living_url` does not."""

    def __init__(self, ports: Mapping[str, int], passwords: Mapping[str, str]) -> None:
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ports, self._password = ports, passwords["password"]
        self._sentinel_password = passwords["sentinel_password"]
        living, query = f"{LOOPBACK}:{ports['sentinel']}", f"master_name={MASTER}"
        query += f"&sentinel_password={self._sentinel_password}"
        self.living_url = f"sentinel://:{self._password}@{living}/0?{query}"
        self.url = f"sentinel://:{self._password}@{LOOPBACK}:{ports['dead']},{living}/0?{query}"

    def client(self, name: str) -> redis.Redis:
        """Return a client of one process, straight to it."""
        password = self._sentinel_password if name == "sentinel" else self._password
        return redis.Redis(host=LOOPBACK, port=self._ports[name], password=password, socket_timeout=2)

    def kill_master(self) -> None:
        """Kill the first server, which is the master until then."""
        self.processes["first"].kill()
        self.processes["first"].wait()

    def is_replicated(self) -> bool:
        """Return whether the sentinel knows the replica, and the replica has all that the master has."""
        known = self.client("sentinel").sentinel_slaves(MASTER)
        return len(known) == 1 and self.client("second").info("replication")["master_link_status"] == "up"


@contextmanager
def running_sentinels(folder: Path) -> Iterator[Sentinels]:
    """Run a master, its replica and a sentinel during the block."""
    ports = {name: free_port() for name in ("first", "second", "sentinel", "dead")}
    passwords = {"password": secrets.token_hex(8), "sentinel_password": secrets.token_hex(8)}
    shown = {**passwords, "host": LOOPBACK, "name": MASTER, "master": ports["first"]}
    found = Sentinels(ports, passwords)
    with ExitStack() as stack:
        for name, template, *options in (
            ("first", _SERVER),
            ("second", _SERVER + f"replicaof {LOOPBACK} {ports['first']}\n"),
            ("sentinel", _SENTINEL, "--sentinel"),
        ):
            home = folder / name
            home.mkdir()
            (home / "conf").write_text(
                template.format(**shown, folder=home, port=ports[name]), encoding="utf-8"
            )
            with (home / "log").open("w") as log:
                argv = child.command([str(find_valkey()), str(home / "conf"), *options])
                process = found.processes[name] = subprocess.Popen(argv, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.kill)
            wait_until(lambda name=name: bool(found.client(name).ping()), what=f"{name} answers")  # type: ignore[misc]
        wait_until(found.is_replicated, what="the replica is known")
        yield found


def wait_until(condition: Callable[[], bool], *, what: str) -> None:
    """Wait until a condition holds; Redis may be away meanwhile."""
    end = time.monotonic() + _WAIT
    while time.monotonic() < end:
        with suppress(RedisError, OSError, ValueError):
            if condition():
                return
        time.sleep(0.02)
    raise AssertionError(f"not after {_WAIT:.0f} s: {what}")
