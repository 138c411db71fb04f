"""
The floor: the cost of the same work without anything that could be left out.

Two processes with one event loop each claim and record messages in batches, in
copies of our tables, and send HTTP over raw sockets: no broker, no HTTP client,
no routing, no tokens, no retries. A response other than 200 ends the run.
"""

import argparse
import asyncio
import json
import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing.synchronize import Barrier
from typing import Any, cast
from urllib.parse import urlsplit

import psycopg

from bench.database import database_url, provider_url
from bench.wire import END, read_head, run

_PROCESSES = 2
_BATCH = 500
_FLUSH = 0.01
_PATIENCE = 60.0

_TABLES = """
DROP TABLE IF EXISTS floor_events, floor_messages;
CREATE TABLE floor_messages (LIKE messages INCLUDING ALL);
CREATE TABLE floor_events (LIKE message_events INCLUDING ALL);
ALTER TABLE floor_events ADD FOREIGN KEY (message_id) REFERENCES floor_messages (id);
"""
_ROWS = """
INSERT INTO floor_messages (public_id, batch_id, account_id, tier, number, number_as_given, country, text,
                            segments, not_before, not_after, status, place, wake_at, created_at, moved_at)
SELECT gen_random_uuid(), 1, 1, 'bulk', '+2547' || lpad(n::text, 8, '0'), '07' || lpad(n::text, 8, '0'), 'KE',
       'Hello', 1, now(), now() + '1 day', 11, 'lane', now() + '1 hour', now(), now()
FROM generate_series(1, %s) AS n
"""
# As in our own statements, a claim changes no status and writes no event; the record does both.
_CLAIM = """
UPDATE floor_messages
SET place = 'worker', wake_at = now() + interval '60 s', attempt = attempt + 1, seq = seq + 1,
    provider = 'floor'
WHERE id = ANY(%s) AND status = 11 AND place = 'lane'
RETURNING id, public_id, number, text, segments, tier
"""
_RECORD = """
WITH moved AS (
    UPDATE floor_messages
    SET status = 12, place = NULL, wake_at = now() + interval '1 day', reason = 'accepted', seq = seq + 1,
        moved_at = now()
    WHERE id = ANY(%s) AND place = 'worker'
    RETURNING id, seq, moved_at, status, provider, attempt, reason
)
INSERT INTO floor_events (message_id, seq, at, status, provider, attempt, reason)
SELECT id, seq, moved_at, status, provider, attempt, reason FROM moved
"""

Connection = psycopg.AsyncConnection[Any]


@dataclass(frozen=True, slots=True)
class Share:
    """One process's share of the work: when it began and ended, and the CPU time in between."""

    began: float
    ended: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of a run; the CPU time is that of both processes without their start."""

    messages: int
    seconds: float
    rate: float
    cpu_us: float


class Socket(asyncio.Protocol):
    """A connection to the provider, with one open request at a time."""

    def __init__(
        self, answered: "Callable[[Socket, int], None]", failed: Callable[[Exception], None]
    ) -> None:
        self._answered, self._failed = answered, failed
        self._rest = b""
        self._message_id = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transport does not subclass it

    def data_received(self, data: bytes) -> None:
        """Report the message as accepted when the response is complete."""
        self._rest = data = self._rest + data
        end = data.find(END)
        if end < 0:
            return
        head = read_head(data[:end])
        if len(data) < end + len(END) + head.length:
            return
        if head.second != "200":
            self._failed(RuntimeError(f"the provider answered {head.second}"))
            return
        self._rest = b""
        self._answered(self, self._message_id)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail: the floor does not retry."""
        self._failed(exc or ConnectionError("the provider closed the connection"))

    def send(self, message_id: int, request: bytes) -> None:
        """Send a request."""
        self._message_id = message_id
        self._transport.write(request)

    def close(self) -> None:
        """Close the connection."""
        self._transport.abort()


class Worker:
    """The work of one process: claims messages ahead, sends them, and records their outcomes."""

    def __init__(self, claims: Connection, records: Connection, *, head: bytes, connections: int) -> None:
        self._claims, self._records = claims, records
        self._head, self._low = head, max(_BATCH, connections)
        self._ready: deque[tuple[int, bytes]] = deque()
        self._idle: list[Socket] = []
        self._sockets: list[Socket] = []
        self._ended: list[int] = []
        self._low_on_claims, self._has_ended = asyncio.Event(), asyncio.Event()
        self._finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def connect(self, host: str, port: int, connections: int) -> None:
        """Open the sockets."""
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, opened = await loop.create_connection(
                lambda: Socket(self._on_answer, self._on_fault), host, port
            )
            self._sockets.append(opened)
        self._idle = list(self._sockets)

    async def work(self, batches: Sequence[Sequence[int]]) -> None:
        """Send all these messages to the provider."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._claim(batches))
            group.create_task(self._record(sum(map(len, batches))))
            await self._finished

    def close(self) -> None:
        """Close the sockets."""
        self._finished.cancel()
        for opened in self._sockets:
            opened.close()

    async def _claim(self, batches: Sequence[Sequence[int]]) -> None:
        for ids in batches:
            cursor = await self._claims.execute(_CLAIM, (ids,))
            self._ready.extend([(row[0], self._request(row)) for row in await cursor.fetchall()])
            while self._ready and self._idle:
                self._idle.pop().send(*self._ready.popleft())
            if len(self._ready) >= self._low:
                self._low_on_claims.clear()
                await self._low_on_claims.wait()

    async def _record(self, count: int) -> None:
        while count:
            await self._has_ended.wait()
            if len(self._ended) < _BATCH:
                await asyncio.sleep(_FLUSH)
            batch, self._ended = self._ended[:_BATCH], self._ended[_BATCH:]
            if not self._ended:
                self._has_ended.clear()
            batch.sort()
            count -= (await self._records.execute(_RECORD, (batch,))).rowcount
        if not self._finished.done():
            self._finished.set_result(None)

    def _request(self, row: Sequence[Any]) -> bytes:
        _, reference, number, text, segments, tier = row
        fields = {"to": number, "text": text, "reference": str(reference), "segments": segments, "tier": tier}
        body = json.dumps(fields).encode()
        return self._head % len(body) + body

    def _on_answer(self, answered: Socket, message_id: int) -> None:
        self._ended.append(message_id)
        self._has_ended.set()
        if self._ready:
            answered.send(*self._ready.popleft())
        else:
            self._idle.append(answered)
        if len(self._ready) < self._low:
            self._low_on_claims.set()

    def _on_fault(self, fault: Exception) -> None:
        if not self._finished.done():
            self._finished.set_exception(fault)


def measure(messages: int, connections: int) -> Result:
    """Return the figures of two processes that share the work, counted from their common start."""
    _prepare(messages)
    batches = [
        list(range(first, min(first + _BATCH, messages + 1))) for first in range(1, messages + 1, _BATCH)
    ]
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(_PROCESSES)
    with ProcessPoolExecutor(_PROCESSES, mp_context=context, initializer=_begin, initargs=(barrier,)) as pool:
        jobs = [
            pool.submit(_share, batches[number::_PROCESSES], connections // _PROCESSES)
            for number in range(_PROCESSES)
        ]
        shares = [job.result() for job in jobs]
    seconds = max(share.ended for share in shares) - min(share.began for share in shares)
    cpu = sum(share.cpu for share in shares)
    return Result(messages, seconds, messages / seconds, cpu / messages * 1e6)


def _prepare(messages: int) -> None:
    with psycopg.connect(database_url(), autocommit=True) as connection:
        connection.execute(_TABLES)
        connection.execute(_ROWS, (messages,))
        connection.execute("VACUUM ANALYZE floor_messages")


_start: list[Barrier] = []


def _begin(barrier: Barrier) -> None:
    _start.append(barrier)


def _share(batches: list[list[int]], connections: int) -> Share:
    done: list[Share] = []
    run(_work(batches, connections, done))
    return done[0]


async def _work(batches: list[list[int]], connections: int, done: list[Share]) -> None:
    url = urlsplit(provider_url())
    host, port = url.hostname or "127.0.0.1", url.port or 80
    head = (
        f"POST {url.path}/submit HTTP/1.1\r\nHost: {url.netloc}\r\n"
        "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    ).encode()
    async with await _open() as claims, await _open() as records:
        worker = Worker(claims, records, head=head, connections=connections)
        try:
            await worker.connect(host, port, connections)
            _start[0].wait(_PATIENCE)  # blocking is fine: nothing else runs in this loop yet
            began, cpu = time.time(), time.process_time()
            await worker.work(batches)
            done.append(Share(began, time.time(), time.process_time() - cpu))
        finally:
            worker.close()


async def _open() -> Connection:
    return await psycopg.AsyncConnection.connect(database_url(), autocommit=True)


def main() -> None:
    """Print the figures of a run on the servers at DATABASE_URL and PROVIDER_URL."""
    parser = argparse.ArgumentParser(prog="python -m bench.floor", description=__doc__)
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--connections", type=int, default=600, help="total of both processes")
    options = parser.parse_args()
    if options.messages < 1 or options.connections < _PROCESSES:
        parser.error(f"give at least one message and {_PROCESSES} connections")
    print(json.dumps(asdict(measure(options.messages, options.connections))))


if __name__ == "__main__":
    main()
