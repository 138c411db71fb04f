"""The HTTP transports under test: each one on each event loop that uses it."""

import asyncio
import gc
import shutil
import ssl
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import uvloop

from dispatcher.domain.delivery.provider import Unknown, Unsent
from dispatcher.providers.http_client.client import Client, call, open_client

T = TypeVar("T")
OpenClient = Callable[..., Client]
Run = Callable[[Coroutine[Any, Any, Any]], Any]

open_ours = partial(open_client, max_connections=10, connect_timeout=timedelta(seconds=3))
open_aiohttp = partial(open_ours, wire="aiohttp")


WIRES = pytest.mark.parametrize("open_wire", [open_ours, open_aiohttp], ids=["ours", "aiohttp"])


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run on asyncio's loop, and raise here the warnings about unclosed resources."""
    with _nothing_left_behind():
        return asyncio.run(work)


def run_on_uvloop(work: Coroutine[Any, Any, T]) -> T:
    """Run on the loop of the workers."""
    with _nothing_left_behind(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


@contextmanager
def _nothing_left_behind() -> Iterator[None]:
    """Collect only the garbage of this block: collecting pytest's takes longer than the test."""
    gc.freeze()
    try:
        yield
    finally:
        gc.collect()
        gc.unfreeze()


LOOPS = pytest.mark.parametrize("run", [run, run_on_uvloop], ids=["asyncio", "uvloop"])


async def ask(
    client: Client,
    url: str,
    *,
    method: str = "POST",
    content: bytes = b"body",
    gate: Callable[[], bool] = lambda: True,
    seconds: float = 5.0,
) -> httpx.Response | Unsent | Unknown:
    """Make one call, with a body unless it is a GET or HEAD."""
    request = client.build_request(method, url, content=None if method in ("GET", "HEAD") else content)
    return await call(client, request, gate=gate, call_timeout=timedelta(seconds=seconds))


class Certificate:
    """A self-signed certificate."""

    def __init__(self, directory: Path, *, name: str) -> None:
        openssl = shutil.which("openssl")
        if openssl is None:
            pytest.skip("needs the openssl command to make a certificate")
        self._file, self._key = directory / f"{name}.pem", directory / f"{name}.key"
        subprocess.run(
            [
                *(openssl, "req", "-x509", "-nodes", "-days", "2"),
                *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
                *("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"),
                *("-keyout", str(self._key), "-out", str(self._file)),
            ],
            check=True,
            capture_output=True,
        )

    def server(self) -> ssl.SSLContext:
        """Return a TLS context of its holder."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._file, self._key)
        return context

    def trusted(self) -> ssl.SSLContext:
        """Return a TLS context that trusts only this certificate."""
        return ssl.create_default_context(cafile=str(self._file))
