"""An HTTP client that costs next to nothing, so that what is measured is the server."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass
class Answers:
    """What came back: how long each request took, in seconds, and how often each status."""

    seconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)


class Connection:
    """One keep-alive connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader, self._writer, self._host = reader, writer, host

    @classmethod
    async def open(cls, host: str, port: int) -> "Connection":
        """Connect."""
        reader, writer = await asyncio.open_connection(host, port)
        return cls(reader, writer, f"{host}:{port}")

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Send a POST; give status and body."""
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
        """Hang up."""
        self._writer.close()


async def hammer(
    base: tuple[str, int],
    *,
    clients: int,
    requests: int,
    make: Callable[[int], tuple[str, Mapping[str, object], Mapping[str, str]]],
) -> tuple[Answers, float]:
    """Send so many requests over so many connections; give the answers and how long all took."""
    answers = Answers()
    numbers = iter(range(requests))

    async def one() -> None:
        connection = await Connection.open(*base)
        for number in numbers:
            path, body, headers = make(number)
            started = time.perf_counter()
            status, _ = await connection.post(path, json.dumps(body).encode(), headers)
            answers.seconds.append(time.perf_counter() - started)
            answers.statuses[status] = answers.statuses.get(status, 0) + 1
        connection.close()

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(clients)))
    return answers, time.perf_counter() - started


def quantile(values: list[float], share: float) -> float:
    """Give the value below which this share of the values lies; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
