"""
A provider with minimal overhead, so that measurements are of its callers.

Start it with `python -m bench.provider --port 9000`. It has the API of the
sandbox, POST /submit. POST /settings {latency_ms, slow_share, slow_ms} changes
its behaviour, GET /stats and GET /arrivals?tier=critical return what arrived,
and POST /reset clears that.
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

from bench.wire import END, Head, MalformedHttp, read_head, run

_LIMIT = 2_000_000  # references kept, about 150 bytes each
_BACKLOG = 4096
_MOST = 16 * 1024 * 1024
_SEED = 4


@dataclass(frozen=True, slots=True)
class Settings:
    """How long a response takes, and which share of the responses takes `slow_ms` instead."""

    latency_ms: float = 0.0
    slow_share: float = 0.0
    slow_ms: float = 2000.0


@dataclass(slots=True)
class Arrivals:
    """
    The first arrival of each reference, by tier, and counts.

    References are UUIDs, stored as 16 bytes. Beyond `_LIMIT` of them only the
    submits are counted, and `untracked` counts those not checked for duplicates.
    """

    submits: int = 0
    duplicates: int = 0
    untracked: int = 0
    first_at: float | None = None
    last_at: float | None = None
    tiers: dict[str, dict[bytes, float]] = field(default_factory=dict)

    def record(self, reference: str, tier: str) -> None:
        """Record one submit. Raises ValueError if the reference is not a UUID."""
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
        """Return the counts."""
        return {
            "submits": self.submits,
            "unique_references": sum(map(len, self.tiers.values())),
            "duplicates": self.duplicates,
            "untracked": self.untracked,
            "first_at": self.first_at,
            "last_at": self.last_at,
        }

    def arrivals(self, tier: str) -> list[tuple[str, float]]:
        """Return when each reference of a tier arrived first, in seconds since the epoch, in that order."""
        return [(str(UUID(bytes=key)), at) for key, at in self.tiers.get(tier, {}).items()]


class Delay:
    """Calls functions after a fixed delay, with one timer, since they are due in order."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._due: deque[tuple[float, Callable[[bytes], None], bytes]] = deque()

    def call(self, answer: Callable[[bytes], None], data: bytes) -> None:
        """Call `answer(data)` after the delay."""
        if not self._seconds:
            answer(data)
            return
        at = self._loop.time() + self._seconds
        self._due.append((at, answer, data))
        if len(self._due) == 1:
            self._loop.call_at(at, self._run)

    def _run(self) -> None:
        now = self._loop.time() + 0.0005  # includes what is due within half a millisecond
        due = self._due
        while due and due[0][0] <= now:
            _, answer, data = due.popleft()
            answer(data)
            if not due:
                return
        self._loop.call_at(due[0][0], self._run)


class Provider:
    """The state that all connections share."""

    def __init__(self) -> None:
        self.arrived = Arrivals()
        self.change(Settings())

    def change(self, settings: Settings) -> None:
        """Apply settings from the next submit on; responses that are already waiting keep their time."""
        self.settings = settings
        self._delay = Delay(settings.latency_ms / 1000)
        self._slow = Delay(settings.slow_ms / 1000)
        self._random = random.Random(_SEED)

    def submit(self, body: bytes, answer: Callable[[bytes], None]) -> None:
        """Record one message, and answer it after the delay."""
        try:
            fields = json.loads(body)
            reference = fields["reference"]
            self.arrived.record(reference, fields.get("tier") or "")
        except (ValueError, KeyError, TypeError, AttributeError) as wrong:
            answer(_json({"error": {"code": "invalid", "message": repr(wrong)}}, status="400 Bad Request"))
            return
        share = self.settings.slow_share
        delay = self._slow if share and self._random.random() < share else self._delay
        delay.call(answer, _answer(b'{"ids":["%b"]}' % reference.encode()))

    def manage(self, head: Head, body: bytes) -> bytes:
        """Return the response to a request that is not a submit."""
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
                return _json(self.arrived.stats())
            case ("GET", "/arrivals"):
                tier = parse_qs(url.query).get("tier", [""])[0]
                return _json(self.arrived.arrivals(tier))
            case ("POST", "/reset"):
                self.arrived = Arrivals()
                return _json({})
        return _json({"error": {"code": "unknown", "message": url.path}}, status="404 Not Found")


class Connection(asyncio.Protocol):
    """
    A client's connection.

    A client may send its next request before it has the response; responses
    are sent in the order of the requests, whichever is ready first.
    """

    __slots__ = ("_answers", "_closing", "_provider", "_rest", "_transport")

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._rest = b""
        self._answers: deque[Slot] = deque()
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transport does not subclass it

    def data_received(self, data: bytes) -> None:
        """Handle every request that is complete."""
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
                self._handle(head, data[body:start])
        except MalformedHttp:
            self._transport.abort()
            return
        self._rest = data[start:]
        if len(self._rest) > _MOST:
            self._transport.abort()

    def flush(self) -> None:
        """Send the responses that are next in order; close after the last if the client asked for it."""
        answers = self._answers
        if self._transport.is_closing():  # the client has disconnected
            answers.clear()
        while answers and answers[0].data:
            self._transport.write(answers.popleft().data)
        if self._closing and not answers:
            self._transport.close()

    def _handle(self, head: Head, body: bytes) -> None:
        self._closing = head.closes
        slot = Slot(self)
        self._answers.append(slot)
        if head.second == "/submit" and head.first == "POST":
            self._provider.submit(body, slot.fill)
        else:
            slot.fill(self._provider.manage(head, body))


class Slot:
    """The place of one response in the order of its connection; empty until it is ready."""

    __slots__ = ("_connection", "data")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.data = b""

    def fill(self, data: bytes) -> None:
        """Set the response, and send what is next in order."""
        self.data = data
        self._connection.flush()


def main() -> None:
    """Serve until a signal arrives."""
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
    """Return the numbers of a JSON object. Raises ValueError unless all are at least 0."""
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
