"""A web backend of a real framework, in a process of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from dispatcher.local.embedded.ports import free_port

FRAMEWORKS = ("django", "flask")


@dataclass
class Backend:
    """A running backend."""

    process: "subprocess.Popen[bytes]"
    client: httpx.Client

    def order(self, then: str, tier: str = "standard") -> httpx.Response:
        """Place an order; `then` is what happens after the message is sent."""
        return self.client.get("/orders", params={"then": then, "tier": tier})

    def order_and_be_killed(self, tier: str) -> None:
        """Place an order in a process that is killed right after its commit."""
        try:
            self.order("kill", tier)
        except httpx.TransportError:
            assert self.process.wait(10) == -9
            return
        raise AssertionError("the process was not killed")


@contextmanager
def running_backend(framework: str, environment: Mapping[str, str]) -> Iterator[Backend]:
    """Run the backend of a framework until the block ends."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.producer.{framework}_backend", str(port)],
        env={**os.environ, **environment},
        stderr=subprocess.DEVNULL,
    )
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        try:
            _wait(process, client)
            yield Backend(process, client)
        finally:
            process.kill()
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", client: httpx.Client) -> None:
    end = time.monotonic() + 60
    while True:
        assert process.poll() is None, "the backend has ended"
        try:
            client.get("/nothing")
        except httpx.TransportError:
            assert time.monotonic() < end, "the backend does not start"
            time.sleep(0.1)
        else:
            return
