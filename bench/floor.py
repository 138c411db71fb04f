"""
The floor: what the same work costs with nothing in it that could be left out.

Two processes with a loop each claim and record messages in batches, in tables
made like ours, and speak HTTP over sockets held by hand: no broker, no HTTP
client, no routing, no tokens, no retries. An answer that is not 200 ends it.
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
# As ours: a claim is no move of the status and writes no event; the record is one and writes it.
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
    """One process's part of the work: when it began and ended, and the cpu time it used in between."""

    began: float
    ended: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Result:
    """What the run came to; the cpu time is that of the two processes, without their start."""

    messages: int
    seconds: float
    rate: float
    cpu_us: float


class Socket(asyncio.Protocol):
    """One connection to the provider, with one request out at a time."""

    def __init__(
        self, answered: "Callable[[Socket, int], None]", failed: Callable[[Exception], None]
    ) -> None:
        self._answered, self._failed = answered, failed
        self._rest = b""
        self._message_id = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # that of uvloop is none by its class

    def data_received(self, data: bytes) -> None:
        """Tell that the message was accepted once its answer is whole."""
        self._rest = data = self._rest + data
        end = data.find(END)
        if end < 0:
            return
        head = read_head(data[:end])
        if len(data) < end + len(END) + head.length:
            return
        if head.second != "200":
            self._failed(RuntimeError(f"the provider said {head.second}"))
            return
        self._rest = b""
        self._answered(self, self._message_id)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up: the floor does not try again."""
        self._failed(exc or ConnectionError("the provider hung up"))

    def send(self, message_id: int, request: bytes) -> None:
        """Write one request."""
        self._message_id = message_id
        self._transport.write(request)

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()


class Worker:
    """What one process does: claim ahead of its sockets, send, record behind them."""

    def __init__(self, claims: Connection, records: Connection, *, head: bytes, connections: int) -> None:
        self._claims, self._records = claims, records
        self._head, self._low = head, max(_BATCH, connections)
        self._ready: deque[tuple[int, bytes]] = deque()
        self._idle: list[Socket] = []
        self._sockets: list[Socket] = []
        self._ended: list[int] = []
        self._hungry, self._some = asyncio.Event(), asyncio.Event()
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

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
        """Take all these messages to the provider."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._claim(batches))
            group.create_task(self._record(sum(map(len, batches))))
            await self._over

    def close(self) -> None:
        """Close the sockets."""
        self._over.cancel()
        for opened in self._sockets:
            opened.close()

    async def _claim(self, batches: Sequence[Sequence[int]]) -> None:
        for ids in batches:
            cursor = await self._claims.execute(_CLAIM, (ids,))
            self._ready.extend([(row[0], self._request(row)) for row in await cursor.fetchall()])
            while self._ready and self._idle:
                self._idle.pop().send(*self._ready.popleft())
            if len(self._ready) >= self._low:
                self._hungry.clear()
                await self._hungry.wait()

    async def _record(self, count: int) -> None:
        while count:
            await self._some.wait()
            if len(self._ended) < _BATCH:
                await asyncio.sleep(_FLUSH)
            batch, self._ended = self._ended[:_BATCH], self._ended[_BATCH:]
            if not self._ended:
                self._some.clear()
            batch.sort()
            count -= (await self._records.execute(_RECORD, (batch,))).rowcount
        if not self._over.done():
            self._over.set_result(None)

    def _request(self, row: Sequence[Any]) -> bytes:
        _, reference, number, text, segments, tier = row
        fields = {"to": number, "text": text, "reference": str(reference), "segments": segments, "tier": tier}
        body = json.dumps(fields).encode()
        return self._head % len(body) + body

    def _on_answer(self, answered: Socket, message_id: int) -> None:
        self._ended.append(message_id)
        self._some.set()
        if self._ready:
            answered.send(*self._ready.popleft())
        else:
            self._idle.append(answered)
        if len(self._ready) < self._low:
            self._hungry.set()

    def _on_fault(self, fault: Exception) -> None:
        if not self._over.done():
            self._over.set_exception(fault)


def measure(messages: int, connections: int) -> Result:
    """Make the tables, let two processes share the work, and tell how long it took from the common start."""
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
            _start[0].wait(_PATIENCE)  # nothing else is to run in this loop yet
            began, cpu = time.time(), time.process_time()
            await worker.work(batches)
            done.append(Share(began, time.time(), time.process_time() - cpu))
        finally:
            worker.close()


async def _open() -> Connection:
    return await psycopg.AsyncConnection.connect(database_url(), autocommit=True)


def main() -> None:
    """Print what the run came to; DATABASE_URL and PROVIDER_URL say where."""
    parser = argparse.ArgumentParser(prog="python -m bench.floor", description=__doc__)
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--connections", type=int, default=600, help="of both processes together")
    options = parser.parse_args()
    if options.messages < 1 or options.connections < _PROCESSES:
        parser.error(f"at least one message and {_PROCESSES} connections")
    print(json.dumps(asdict(measure(options.messages, options.connections))))


if __name__ == "__main__":
    main()
