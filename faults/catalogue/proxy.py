"""A proxy in front of a server: it goes silent, cuts connections, and repeats what the server answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.silent_proxy import Connect, SilentProxy


class FaultProxy(SilentProxy):
    """A silent proxy that can cut and repeat, too; while its server is away it refuses connections."""

    def __init__(self, connect: Connect) -> None:
        super().__init__(self._open_server)
        self._connect_server = connect
        self._servers: set[asyncio.StreamWriter] = set()
        self.repeats = False

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, or close it at once if the server is away."""
        try:
            await super().accept(reader, writer)
        except OSError:
            writer.close()

    def cut(self) -> None:
        """Reset all connections."""
        for writer in self._servers:
            writer.transport.abort()
        self._servers.clear()

    async def _open_server(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await self._connect_server()
        self._servers = {w for w in self._servers if not w.is_closing()} | {writer}
        return _RepeatingReader(reader, self), writer


class _RepeatingReader(asyncio.StreamReader):
    """Reads from a server; each piece comes twice while the proxy repeats."""

    def __init__(self, reader: asyncio.StreamReader, proxy: FaultProxy) -> None:
        super().__init__()
        self._reader, self._proxy = reader, proxy

    async def read(self, n: int = -1) -> bytes:
        data = await self._reader.read(n)
        return data * 2 if self._proxy.repeats else data


@asynccontextmanager
async def fault_proxy(connect: Connect, port: int) -> AsyncIterator[FaultProxy]:
    """Serve a proxy on this port of loopback during the block."""
    proxy = FaultProxy(connect)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", port, backlog=512)
    try:
        yield proxy
    finally:
        proxy.cut()
        server.close()
        await proxy.close()
