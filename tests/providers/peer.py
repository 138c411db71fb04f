"""The provider's side of HTTP on a real socket: it follows a script and counts the bytes it receives."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Got:
    """One request as received."""

    head: str
    body: bytes

    @property
    def target(self) -> str:
        return self.head.split(" ", 2)[1]

    @property
    def document(self) -> dict[str, object]:
        parsed = json.loads(self.body)
        assert isinstance(parsed, dict)
        return parsed


@dataclass(frozen=True, slots=True)
class Reply:
    """What to write, and what to do then; `data` None is silence until the client closes."""

    data: bytes | None
    hang_up: bool = False
    byte_by_byte: bool = False


@dataclass(slots=True)
class Peer:
    """The requests that the peer has received so far."""

    port: int = 0
    connections: int = 0
    open_connections: int = 0
    most_open_connections: int = 0
    bytes_received: int = 0
    requests: list[Got] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def until(self, condition: Callable[["Peer"], bool]) -> None:
        """Wait until the condition is true."""
        async with asyncio.timeout(5):
            while not condition(self):
                self.changed.clear()
                await self.changed.wait()

    async def until_left(self) -> None:
        """Wait until every connection has ended, so that no byte is still in transit."""
        await self.until(lambda peer: peer.connections > 0 and peer.open_connections == 0)


Script = Callable[[Got, int], Reply]
"""From a request and its number, counted from 0, to the reply."""


def http_reply(status: int, body: object = None, **headers: str) -> bytes:
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(data)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + data


def always(reply: Reply | bytes) -> Script:
    return lambda _got, _number: reply if isinstance(reply, Reply) else Reply(reply)


Listening = AbstractAsyncContextManager[Peer]
Conversation = Callable[[Peer, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What a peer does with one connection; when it returns, the connection is closed."""


def listening(script: Script, *, port: int = 0, tls: ssl.SSLContext | None = None) -> Listening:
    """Serve each request by the script."""
    return conversing(
        lambda peer, reader, writer: _converse(peer, script, reader, writer), port=port, tls=tls
    )


@asynccontextmanager
async def conversing(
    converse: Conversation, *, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Peer]:
    """Serve, by default on a free port; at the end all connections are closed and all handlers done."""
    peer = Peer()
    handlers: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        peer.connections += 1
        peer.open_connections += 1
        peer.most_open_connections = max(peer.most_open_connections, peer.open_connections)
        try:
            await converse(peer, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            peer.open_connections -= 1
            peer.changed.set()
            handlers.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=tls, backlog=500)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for handler in list(handlers):
            handler.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
        await server.wait_closed()


async def _converse(
    peer: Peer, script: Script, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    while got := await read_request(peer, reader):
        reply = script(got, len(peer.requests) - 1)
        if reply.data is None and not reply.hang_up:
            await reader.read()
            return
        for part in _parts(reply):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)  # to the client, so that it reads each part on its own
        if reply.hang_up:
            return


def _parts(reply: Reply) -> list[bytes]:
    data = reply.data or b""
    return [data[at : at + 1] for at in range(len(data))] if reply.byte_by_byte else [data]


async def read_request(peer: Peer, reader: asyncio.StreamReader) -> Got | None:
    """Return one complete request, and record it; None if the client closed."""
    buffer = b""
    while b"\r\n\r\n" not in buffer:
        chunk = await reader.read(65_536)
        peer.bytes_received += len(chunk)
        if not chunk:
            return None
        buffer += chunk
    head, _, body = buffer.partition(b"\r\n\r\n")
    length = next(
        (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    rest = await reader.readexactly(length - len(body)) if length > len(body) else b""
    peer.bytes_received += len(rest)
    got = Got(head.decode(), body + rest)
    peer.requests.append(got)
    peer.changed.set()
    return got


def a_date(*, hour: int) -> str:
    return datetime(2026, 3, 1, hour, tzinfo=UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")


@contextmanager
def closed_port() -> Iterator[int]:
    """Yield a port that is reserved, but has no listener."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def deaf_port(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """Yield a port with a full queue, so that the handshake never ends."""
    with socket.socket() as deaf:
        deaf.bind((host, port))
        deaf.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(deaf.getsockname())
        yield deaf.getsockname()[1]
        for client in waiting:
            client.close()
