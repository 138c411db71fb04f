"""Serving a sandbox, as a program or inside a running loop."""

import asyncio
import importlib
import secrets
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple, cast

from aiohttp import web

from dispatcher.sandbox.app import Sandbox
from dispatcher.sandbox.settings import SandboxSettings


def create_app(settings: SandboxSettings | None = None) -> web.Application:
    """Return a new application with its own state."""
    return Sandbox(settings or SandboxSettings()).app()


class SandboxServers(NamedTuple):
    """The addresses of a sandbox: its base URL, and the port of SMPP, None without SMPP."""

    url: str
    smpp_port: int | None


@asynccontextmanager
async def serving(
    settings: SandboxSettings | None = None, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """Serve HTTP while the block runs, and yield the base URL; port 0 takes a free one."""
    async with serving_both(settings, host=host, port=port, smpp_port=None) as servers:
        yield servers.url


@asynccontextmanager
async def serving_both(
    settings: SandboxSettings | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    smpp_port: int | None = 0,
) -> AsyncIterator[SandboxServers]:
    """Serve HTTP, and SMPP unless its port is None, while the block runs; port 0 takes a free one."""
    sandbox = Sandbox(settings or SandboxSettings())
    runner = web.AppRunner(sandbox.app(), access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024)
        await site.start()
        bound = runner.addresses[0]
        smpp = None if smpp_port is None else await sandbox.smsc.open(host, smpp_port)
        yield SandboxServers(f"http://{bound[0]}:{bound[1]}", smpp)
    finally:
        await runner.cleanup()


def run(
    host: str = "127.0.0.1",
    port: int = 8090,
    settings: SandboxSettings | None = None,
    *,
    smpp_port: int | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM. Without a control token one is made up, and printed."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_run(host, port, settings or SandboxSettings(), smpp_port))


async def _run(host: str, port: int, settings: SandboxSettings, smpp_port: int | None) -> None:
    made_up = settings.control_token is None
    if made_up:
        settings = settings.model_copy(update={"control_token": secrets.token_urlsafe(24)})
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving_both(settings, host=host, port=port, smpp_port=smpp_port) as servers:
        smpp = "" if servers.smpp_port is None else f", SMPP on {host}:{servers.smpp_port}"
        # the only output of the program: the port chosen for 0, and a token that nobody has named
        print(f"sandbox on {servers.url}{smpp}", flush=True)  # noqa: T201
        if made_up:
            print(f"control token {settings.control_token}", flush=True)  # noqa: T201
        await stop.wait()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's if it is installed: SMPP has many small reads and writes."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return None
    return cast("Callable[[], asyncio.AbstractEventLoop]", uvloop.new_event_loop)
