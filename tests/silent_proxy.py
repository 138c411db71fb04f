"""A proxy that goes silent: its connections stay open, and nothing comes through them any more."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

from sqlalchemy.engine import make_url

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class SilentProxy:
    """
    Forwards the connections that it accepts to a server.

    After `silence()` the connections that exist are silent in both directions;
    with `for_new=True` the later ones are, too. `hear()` lets what was held back through.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: set[asyncio.Event] = set()
        self._new_are_silent = False
        self.connections = 0

    def silence(self, *, for_new: bool = False) -> None:
        """Let nothing more through the connections that exist, and with `for_new` through later ones."""
        for passes in self._open:
            passes.clear()
        self._new_are_silent = for_new

    def hear(self) -> None:
        """Let everything through again, first what was held back."""
        self._new_are_silent = False
        for passes in self._open:
            passes.set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        passes = asyncio.Event()
        if not self._new_are_silent:
            passes.set()
        self._open.add(passes)
        server_reader, server_writer = await self._connect()
        for source, target in ((reader, server_writer), (server_reader, writer)):
            task = asyncio.create_task(self._forward(source, target, passes))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, passes: asyncio.Event
    ) -> None:
        try:
            with suppress(OSError):
                while data := await source.read(65536):
                    await passes.wait()
                    target.write(data)
                    await target.drain()
        finally:
            target.close()
            with suppress(OSError):
                await target.wait_closed()

    async def close(self) -> None:
        """Close all connections."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def silent_proxy(connect: Connect) -> AsyncIterator[tuple[SilentProxy, int]]:
    """Yield a proxy to the server that `connect` connects to, and its port on loopback."""
    proxy = SilentProxy(connect)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    try:
        yield proxy, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await proxy.close()


@asynccontextmanager
async def silent_postgres(database_url: str) -> AsyncIterator[tuple[SilentProxy, str]]:
    """Yield a proxy to this Postgres, which listens on a socket file, and the URL by which it is reached."""
    url = make_url(database_url)
    socket = f"{url.query['host']}/.s.PGSQL.{url.query.get('port', 5432)}"
    async with silent_proxy(partial(asyncio.open_unix_connection, socket)) as (proxy, port):
        query = {name: value for name, value in url.query.items() if name not in {"host", "port"}}
        behind = url.set(host="127.0.0.1", port=port, query=query)
        yield proxy, behind.render_as_string(hide_password=False)
