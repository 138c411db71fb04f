"""
A provider that costs next to nothing, so that what is measured is who calls it.

It speaks the sandbox's recipe: `python -m bench.provider --port 9000`, then
POST /submit. POST /settings {latency_ms, slow_share, slow_ms} changes how it
behaves, GET /stats and GET /arrivals?tier=critical tell what came, POST /reset
forgets it.
"""

import argparse
import asyncio
import contextlib
import json
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from bench.wire import END, Garbled, Head, read_head, run

_LIMIT = 2_000_000  # references kept, about 150 bytes each
_BACKLOG = 4096
_MOST = 16 * 1024 * 1024
_SEED = 4


@dataclass(frozen=True, slots=True)
class Settings:
    """How long an answer takes, and which share of the answers takes how much longer."""

    latency_ms: float = 0.0
    slow_share: float = 0.0
    slow_ms: float = 2000.0


@dataclass(slots=True)
class Book:
    """
    What came: the first arrival of each reference, by tier.

    References are UUIDs and kept as their 16 bytes. Beyond `_LIMIT` of them
    only the submits are counted, and `untracked` says how many were not told apart.
    """

    submits: int = 0
    duplicates: int = 0
    untracked: int = 0
    first_at: float | None = None
    last_at: float | None = None
    tiers: dict[str, dict[bytes, float]] = field(default_factory=dict)

    def enter(self, reference: str, tier: str) -> None:
        """Note one submit. Raises ValueError if the reference is no UUID."""
        key = bytes.fromhex(reference.replace("-", ""))
        if len(key) != 16:
            raise ValueError(f"the reference is not a UUID: {reference!r}")
        now = time.time()
        self.submits += 1
        self.last_at = now
        if self.first_at is None:
            self.first_at = now
        arrivals = self.tiers.get(tier)
        if arrivals is None:
            arrivals = self.tiers[tier] = {}
        if key in arrivals:
            self.duplicates += 1
        elif self.submits - self.duplicates - self.untracked <= _LIMIT:
            arrivals[key] = now
        else:
            self.untracked += 1

    def stats(self) -> dict[str, object]:
        """Tell the counts."""
        return {
            "submits": self.submits,
            "unique_references": sum(map(len, self.tiers.values())),
            "duplicates": self.duplicates,
            "untracked": self.untracked,
            "first_at": self.first_at,
            "last_at": self.last_at,
        }

    def arrivals(self, tier: str) -> list[tuple[str, float]]:
        """Tell when each reference of a tier came first, as seconds of the epoch, in that order."""
        return [(str(UUID(bytes=key)), at) for key, at in self.tiers.get(tier, {}).items()]


class Delay:
    """Runs what it is given after one fixed time; one timer for all, since they come due in order."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._due: deque[tuple[float, Callable[[bytes], None], bytes]] = deque()

    def call(self, answer: Callable[[bytes], None], data: bytes) -> None:
        """Run `answer(data)` when the time is over."""
        if not self._seconds:
            answer(data)
            return
        at = self._loop.time() + self._seconds
        self._due.append((at, answer, data))
        if len(self._due) == 1:
            self._loop.call_at(at, self._run)

    def _run(self) -> None:
        now = self._loop.time() + 0.0005  # what is due within half a millisecond goes along
        due = self._due
        while due and due[0][0] <= now:
            _, answer, data = due.popleft()
            answer(data)
            if not due:
                return
        self._loop.call_at(due[0][0], self._run)


class Provider:
    """The one state behind all connections."""

    def __init__(self) -> None:
        self.book = Book()
        self.change(Settings())

    def change(self, settings: Settings) -> None:
        """Behave like this from the next submit on; what waits is answered when it was to be."""
        self.settings = settings
        self._delay = Delay(settings.latency_ms / 1000)
        self._slow = Delay(settings.slow_ms / 1000)
        self._random = random.Random(_SEED)

    def submit(self, body: bytes, answer: Callable[[bytes], None]) -> None:
        """Take one message and answer it in its time."""
        try:
            fields = json.loads(body)
            reference = fields["reference"]
            self.book.enter(reference, fields.get("tier") or "")
        except (ValueError, KeyError, TypeError, AttributeError) as wrong:
            answer(_json({"error": {"code": "invalid", "message": repr(wrong)}}, status="400 Bad Request"))
            return
        share = self.settings.slow_share
        delay = self._slow if share and self._random.random() < share else self._delay
        delay.call(answer, _answer(b'{"ids":["%b"]}' % reference.encode()))

    def manage(self, head: Head, body: bytes) -> bytes:
        """Answer what is not a submit."""
        url = urlsplit(head.second)
        match head.first, url.path:
            case ("POST", "/settings"):
                try:
                    self.change(Settings(**{**asdict(self.settings), **_numbers(body)}))
                except (ValueError, TypeError) as wrong:
                    return _json(
                        {"error": {"code": "invalid", "message": str(wrong)}}, status="400 Bad Request"
                    )
                return _json(asdict(self.settings))
            case ("GET", "/stats"):
                return _json(self.book.stats())
            case ("GET", "/arrivals"):
                tier = parse_qs(url.query).get("tier", [""])[0]
                return _json(self.book.arrivals(tier))
            case ("POST", "/reset"):
                self.book = Book()
                return _json({})
        return _json({"error": {"code": "unknown", "message": url.path}}, status="404 Not Found")


class Connection(asyncio.Protocol):
    """
    One client's connection.

    A client may send its next request before it has its answer; answers go
    out in the order of the requests, whichever was ready first.
    """

    __slots__ = ("_answers", "_closing", "_provider", "_rest", "_transport")

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._rest = b""
        self._answers: deque[Slot] = deque()
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # that of uvloop is none by its class

    def data_received(self, data: bytes) -> None:
        """Take every request that is complete."""
        if self._rest:
            data = self._rest + data
        start = 0
        try:
            while not self._closing and (end := data.find(END, start)) >= 0:
                head = read_head(data[start:end])
                body = end + len(END)
                if body + head.length > len(data):
                    break
                start = body + head.length
                self._take(head, data[body:start])
        except Garbled:
            self._transport.abort()
            return
        self._rest = data[start:]
        if len(self._rest) > _MOST:
            self._transport.abort()

    def flush(self) -> None:
        """Write the answers whose turn it is; hang up after the last if the client wished so."""
        answers = self._answers
        if self._transport.is_closing():  # whoever asked is gone
            answers.clear()
        while answers and answers[0].data:
            self._transport.write(answers.popleft().data)
        if self._closing and not answers:
            self._transport.close()

    def _take(self, head: Head, body: bytes) -> None:
        self._closing = head.closes
        slot = Slot(self)
        self._answers.append(slot)
        if head.second == "/submit" and head.first == "POST":
            self._provider.submit(body, slot.fill)
        else:
            slot.fill(self._provider.manage(head, body))


class Slot:
    """The place of one answer among those of its connection; empty until it is ready."""

    __slots__ = ("_connection", "data")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.data = b""

    def fill(self, data: bytes) -> None:
        """Put the answer in."""
        self.data = data
        self._connection.flush()


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(prog="python -m bench.provider", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        run(_serve(options.host, options.port))


async def _serve(host: str, port: int) -> None:
    provider = Provider()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(provider), host, port, backlog=_BACKLOG)
    await server.serve_forever()


def _numbers(body: bytes) -> dict[str, float]:
    """Read an object of numbers, none below zero. Raises ValueError."""
    fields: Any = json.loads(body)
    if not isinstance(fields, dict):
        raise ValueError("an object of settings is expected")  # noqa: TRY004 - one kind of error for the caller
    return {name: _positive(name, value) for name, value in fields.items()}


def _positive(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError(f"{name} is not a number of at least 0: {value!r}")
    return float(value)


def _json(body: object, *, status: str = "200 OK") -> bytes:
    return _answer(json.dumps(body).encode(), status=status.encode())


def _answer(body: bytes, *, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        status,
        len(body),
        body,
    )


if __name__ == "__main__":
    main()
