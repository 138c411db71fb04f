"""Serving a sandbox: as a program, or beside other code in a running loop."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from dispatcher.sandbox.app import Sandbox
from dispatcher.sandbox.settings import Settings


def create_app(settings: Settings | None = None) -> web.Application:
    """Make the application with a state of its own."""
    return Sandbox(settings or Settings()).app()


@asynccontextmanager
async def serving(
    settings: Settings | None = None, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """Serve while the block runs, and give the base URL; port 0 takes a free one."""
    runner = web.AppRunner(
        create_app(settings), access_log=None, handler_cancellation=True, shutdown_timeout=0.5
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024)
        await site.start()
        bound = runner.addresses[0]
        yield f"http://{bound[0]}:{bound[1]}"
    finally:
        await runner.cleanup()


def run(host: str = "127.0.0.1", port: int = 8090, settings: Settings | None = None) -> None:
    """Serve until SIGINT or SIGTERM."""
    asyncio.run(_run(host, port, settings))


async def _run(host: str, port: int, settings: Settings | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving(settings, host=host, port=port) as url:
        print(f"sandbox on {url}", flush=True)  # noqa: T201 - a program's one line, for who asked for port 0
        await stop.wait()
