"""The stack that is measured: the one `dispatcher up` runs, with a provider of the bench's own."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench.cpu import Usage, usage
from dispatcher.cli import stack
from dispatcher.cli.plan import Plan
from dispatcher.cli.stack import Stack
from dispatcher.embedded.ports import free_port
from dispatcher.sandbox.recipe import http_options

PROVIDER = "bench"
SECRET = "the secret of the bench's receipts"
TPS = 100_000.0

_FOREIGN = ("DATABASE_URL", "REDIS_URL", "DISPATCHER_", "FLOWER_")
_PARTS = ("postgres", "valkey", "api", "worker-critical", "worker-standard", "worker-bulk", "worker-clock",
          "worker-system", "beat")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rig:
    """A running stack and its provider."""

    stack: Stack
    provider: httpx.Client

    @property
    def api(self) -> tuple[str, int]:
        """Where the API listens."""
        return self.stack.plan.host, self.stack.plan.port

    def usage(self) -> Mapping[str, Usage]:
        """Read what each part of ours used so far; the provider and this program are not ours."""
        pids = {name: self.stack.supervisor.pid(name) for name in _PARTS}
        return usage({name: pid for name, pid in pids.items() if pid is not None})

    def settings(self, **changed: float) -> None:
        """Change how the provider behaves, and let it forget what it has."""
        self.provider.post("/settings", json=changed).raise_for_status()
        self.provider.post("/reset").raise_for_status()

    def stats(self) -> dict[str, Any]:
        """Ask the provider for its counts."""
        return dict(self.provider.get("/stats").raise_for_status().json())

    def arrivals(self, tier: str) -> dict[str, float]:
        """Ask the provider when each message of a tier came, by our reference."""
        found = self.provider.get("/arrivals", params={"tier": tier}).raise_for_status().json()
        return {reference: float(at) for reference, at in found}


def run(story: Callable[[Rig], None], *, variables: Mapping[str, str] | None = None) -> None:
    """Start a stack on a directory of its own, run the story, stop it."""
    for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
        del os.environ[name]
    port, flower, sandbox, provider = (free_port() for _ in range(4))
    with (
        tempfile.TemporaryDirectory(prefix="dispatcher-bench-") as folder,
        provider_process(provider) as client,
    ):
        receipts = f"http://127.0.0.1:{port}/receipts/{PROVIDER}"
        options = http_options(str(client.base_url), receipt_url=receipts, receipt_secret=SECRET)
        config = {
            "name": PROVIDER, "plugin": "http", "tps": TPS, "takes": "both", "max_connections": 400,
            "options": options,
        }  # fmt: skip
        os.environ["DISPATCHER_PROVIDERS"] = json.dumps([config])
        plan = Plan(
            Path(folder), port=port, flower_port=flower, sandbox_port=sandbox, variables=variables or {}
        )
        stack.run(plan, lambda *_: None, lambda running: story(Rig(running, client)))


class provider_process:  # noqa: N801 - it is used as a function
    """The bench's provider, as a process, for as long as the block lasts."""

    def __init__(self, port: int) -> None:
        self._port = port

    def __enter__(self) -> httpx.Client:
        """Start it and wait until it answers."""
        self._process = subprocess.Popen([sys.executable, "-m", "bench.provider", "--port", str(self._port)])
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=60, trust_env=False)
        for _ in range(100):
            try:
                self._client.get("/stats")
            except httpx.HTTPError:
                time.sleep(0.1)
            else:
                return self._client
        raise RuntimeError("the bench's provider does not answer")

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self._client.close()
        self._process.terminate()
        self._process.wait(10)
