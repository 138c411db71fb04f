"""The proxy of the faults, in front of a server that echoes."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from dispatcher.local.embedded.ports import LOOPBACK, free_port
from faults.catalogue.proxy import FaultProxy, fault_proxy

Story = Callable[[FaultProxy, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_DEADLINE = 10


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1024):
        writer.write(data)
    writer.close()


def _run(story: Story) -> None:
    async def main() -> None:
        server_port, proxy_port = free_port(), free_port()
        server = await asyncio.start_server(_echo, LOOPBACK, server_port)
        connect = partial(asyncio.open_connection, LOOPBACK, server_port)
        async with asyncio.timeout(_DEADLINE), server, fault_proxy(connect, proxy_port) as proxy:
            reader, writer = await asyncio.open_connection(LOOPBACK, proxy_port)
            await story(proxy, reader, writer)
            writer.close()

    asyncio.run(main())


def test_a_repeating_proxy_answers_everything_twice() -> None:
    async def story(proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"once.")
        assert await reader.readexactly(5) == b"once."
        proxy.repeats = True
        writer.write(b"twice")
        assert await reader.readexactly(10) == b"twicetwice"

    _run(story)


def test_cut_ends_the_connections_that_are_open() -> None:
    async def story(proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await reader.readexactly(5)
        proxy.cut()
        assert await reader.read() == b""

    _run(story)


def test_a_connection_to_a_server_that_is_away_is_closed() -> None:
    async def main() -> None:
        connect, port = partial(asyncio.open_connection, LOOPBACK, free_port()), free_port()
        async with asyncio.timeout(_DEADLINE), fault_proxy(connect, port):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            assert await reader.read() == b""
            writer.close()

    asyncio.run(main())
