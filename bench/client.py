"""An HTTP client with minimal overhead, so that measurements are of the server."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass
class ResponseStats:
    """The seconds that each request took, and how often each status was returned."""

    seconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)


class Connection:
    """A keep-alive connection for one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader, self._writer, self._host = reader, writer, host

    @classmethod
    async def open(cls, host: str, port: int) -> "Connection":
        """Return an open connection."""
        reader, writer = await asyncio.open_connection(host, port)
        return cls(reader, writer, f"{host}:{port}")

    @property
    def is_open(self) -> bool:
        """Whether the server has not closed the connection."""
        return not self._reader.at_eof()

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Return status and body of the response to a POST."""
        lines = [f"POST {path} HTTP/1.1", f"Host: {self._host}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        head = await self._reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        return status, await self._reader.readexactly(length)

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


async def send_requests(
    base: tuple[str, int],
    *,
    clients: int,
    requests: int,
    make: Callable[[int], tuple[str, Mapping[str, object], Mapping[str, str]]],
) -> tuple[ResponseStats, float]:
    """Return the statistics of this many requests over this many connections, and the total seconds."""
    stats = ResponseStats()
    numbers = iter(range(requests))

    async def send_in_turn() -> None:
        connection = await Connection.open(*base)
        for number in numbers:
            path, body, headers = make(number)
            started = time.perf_counter()
            status, _ = await connection.post(path, json.dumps(body).encode(), headers)
            stats.seconds.append(time.perf_counter() - started)
            stats.statuses[status] = stats.statuses.get(status, 0) + 1
        connection.close()

    started = time.perf_counter()
    await asyncio.gather(*(send_in_turn() for _ in range(clients)))
    return stats, time.perf_counter() - started


def quantile(values: list[float], share: float) -> float:
    """Return the value below which this share of the values lies; 0 without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
