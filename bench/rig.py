"""The stack that is measured: that of `dispatcher up`, with the bench's own provider."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench.cpu import Usage, usage
from dispatcher.local import stack
from dispatcher.local.embedded.ports import free_port
from dispatcher.local.stack import Stack
from dispatcher.local.stack_plan import StackPlan
from dispatcher.sandbox.provider_options import http_options

PROVIDER = "bench"
SECRET = "the secret of the bench's receipts"
TPS = 100_000.0

_PREFIXES = ("DATABASE_URL", "REDIS_URL", "DISPATCHER_", "FLOWER_")
_PROCESSES = (
    "postgres", "valkey", "api", "worker-critical", "worker-critical-2", "worker-standard", "worker-bulk",
    "worker-clock", "worker-system", "beat",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Peer:
    """The provider of the stack: its process, a client for its control API, and its plug-in with options."""

    pid: int
    client: httpx.Client
    plugin: str
    options: Mapping[str, object]


OpenPeer = Callable[[str], AbstractContextManager[Peer]]
"""Opens a peer that sends its receipts to this URL."""


@dataclass(frozen=True, slots=True)
class Rig:
    """A running stack and its provider."""

    stack: Stack
    peer: Peer

    @property
    def provider(self) -> httpx.Client:
        """The client for the control API of the provider."""
        return self.peer.client

    @property
    def api(self) -> tuple[str, int]:
        """The host and port of the API."""
        return self.stack.plan.host, self.stack.plan.port

    def usage(self) -> Mapping[str, Usage]:
        """Return the usage so far of each process of the stack, without the provider and this program."""
        pids = {name: self.stack.supervisor.pid(name) for name in _PROCESSES}
        return usage({name: pid for name, pid in pids.items() if pid is not None})

    def settings(self, **changed: float) -> None:
        """Change the behaviour of the provider, and reset its counts."""
        self.provider.post("/settings", json=changed).raise_for_status()
        self.provider.post("/reset").raise_for_status()

    def stats(self) -> dict[str, Any]:
        """Return the counts of the provider."""
        return dict(self.provider.get("/stats").raise_for_status().json())

    def arrivals(self, tier: str) -> dict[str, float]:
        """Return when each message of a tier arrived at the provider, by our reference."""
        found = self.provider.get("/arrivals", params={"tier": tier}).raise_for_status().json()
        return {reference: float(at) for reference, at in found}


@contextmanager
def http_peer(receipt_url: str, *, wire: str = "ours") -> Iterator[Peer]:
    """Start the bench's own provider, called over this transport."""
    with _provider(free_port()) as (pid, client):
        options = http_options(str(client.base_url), receipt_url=receipt_url, receipt_secret=SECRET)
        yield Peer(pid, client, "http", {**options, "wire": wire})


def run(
    action: Callable[[Rig], None], *, variables: Mapping[str, str] | None = None, peer: OpenPeer = http_peer
) -> None:
    """Start a stack in a temporary directory, call `action` with it, and stop it."""
    for name in [name for name in os.environ if name.startswith(_PREFIXES)]:
        del os.environ[name]
    port, flower, sandbox = (free_port() for _ in range(3))
    with (
        tempfile.TemporaryDirectory(prefix="dispatcher-bench-") as folder,
        peer(f"http://127.0.0.1:{port}/receipts/{PROVIDER}") as opened,
    ):
        config = {
            "name": PROVIDER, "plugin": opened.plugin, "tps": TPS, "takes": "both", "max_connections": 340,
            "options": dict(opened.options),
        }  # fmt: skip
        os.environ["DISPATCHER_PROVIDERS"] = json.dumps([config])
        plan = StackPlan(
            Path(folder), port=port, flower_port=flower, sandbox_port=sandbox, variables=variables or {}
        )
        stack.run(plan, lambda *_: None, lambda running: action(Rig(running, opened)))


@contextmanager
def provider_process(port: int) -> Iterator[httpx.Client]:
    """Run the bench's provider as a process during the block."""
    with _provider(port) as (_, client):
        yield client


def _provider(port: int) -> AbstractContextManager[tuple[int, httpx.Client]]:
    return run_server([sys.executable, "-m", "bench.provider", "--port", str(port)], port)


@contextmanager
def run_server(command: Sequence[str], port: int) -> Iterator[tuple[int, httpx.Client]]:
    """Run a program that serves `/stats` on this port; yield its process id and a client once it answers."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)
    try:
        for _ in range(100):
            try:
                client.get("/stats")
            except httpx.HTTPError:
                time.sleep(0.1)
            else:
                break
        else:
            raise RuntimeError(f"{' '.join(command)} does not answer")
        yield process.pid, client
    finally:
        client.close()
        process.terminate()
        process.wait(10)
