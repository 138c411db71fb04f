"""
Sending receipts over HTTP, with retries.

Receipts wait in one queue for each receiving server. While that server is
unavailable, one batch at a time is tried, with a growing pause; afterwards all
connections are used again. A receipt refused with 4xx is dropped and counted.
"""

import asyncio
import hashlib
import hmac
import json
from collections import deque
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Final

import aiohttp
from yarl import URL

from dispatcher.sandbox.settings import SandboxSettings

SIGNATURE_HEADER: Final = "X-Sandbox-Signature"

_FIRST_PAUSE: Final = 0.1
_MAX_PAUSE: Final = 3.0
_MAX_AGE: Final = 1800.0
_MAX_WAITING: Final = 500_000
_CALL_TIMEOUT: Final = 10.0


@dataclass(frozen=True, slots=True)
class PendingReceipt:
    """One report on its way to one URL; `done` is called when the receiver accepts it."""

    url: str
    report: dict[str, object]
    created_at: float
    done: Callable[[], None]


@dataclass(slots=True)
class ReceiptCounts:
    """Counts of receipts that were accepted, retried, refused and dropped, and of inbound messages."""

    receipts_sent: int = 0
    receipts_retried: int = 0
    receipts_refused: int = 0
    receipts_dropped: int = 0
    inbound_sent: int = 0

    def __add__(self, other: "ReceiptCounts") -> "ReceiptCounts":
        pairs = zip(astuple(self), astuple(other), strict=True)
        return ReceiptCounts(*[own + others for own, others in pairs])


class ReceiptSender:
    """The queues of receipts of all servers. Create it inside the running loop, and close it."""

    def __init__(self, settings: Callable[[], SandboxSettings]) -> None:
        self.settings = settings
        self.counts = ReceiptCounts()
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=_CALL_TIMEOUT),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        self._loop = asyncio.get_running_loop()
        self._timers: set[asyncio.TimerHandle] = set()
        self._queues: dict[str, _ServerQueue] = {}

    @property
    def pending(self) -> int:
        """How many receipts are not delivered yet, including scheduled ones."""
        return len(self._timers) + sum(queue.pending for queue in self._queues.values())

    def schedule(
        self, url: str, report: dict[str, object], *, delay: float, done: Callable[[], None]
    ) -> None:
        """Send this report `delay` seconds from now."""

        def due() -> None:
            self._timers.discard(timer)
            self._queue(url).add(PendingReceipt(url, report, self._loop.time(), done))

        timer = self._loop.call_later(delay, due)
        self._timers.add(timer)

    async def send_now(self, url: str, report: dict[str, object], *, done: Callable[[], None]) -> None:
        """Send this report, and return after the first attempt."""
        await self._queue(url).try_now(PendingReceipt(url, report, self._loop.time(), done))

    async def reset(self) -> None:
        """Delete all receipts and counts."""
        self.counts = ReceiptCounts()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        queues, self._queues = self._queues, {}
        for queue in queues.values():
            await queue.close()

    async def close(self) -> None:
        """Stop; undelivered receipts are lost."""
        await self.reset()
        await self.session.close()

    def _queue(self, url: str) -> "_ServerQueue":
        origin = str(URL(url).origin())
        if origin not in self._queues:
            self._queues[origin] = _ServerQueue(self)
        return self._queues[origin]


class _ServerQueue:
    """The receipts that wait for one server."""

    def __init__(self, owner: ReceiptSender) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[PendingReceipt] = deque()
        self._sending: dict[asyncio.Task[int | None], list[PendingReceipt]] = {}
        self._pause = 0.0
        self._wake: asyncio.TimerHandle | None = None

    @property
    def pending(self) -> int:
        return len(self._waiting) + sum(map(len, self._sending.values()))

    def add(self, receipt: PendingReceipt) -> None:
        if len(self._waiting) >= _MAX_WAITING:
            self._waiting.popleft()
            self._owner.counts.receipts_dropped += 1
        self._waiting.append(receipt)
        self._pump()

    async def try_now(self, receipt: PendingReceipt) -> None:
        self._settle([receipt], await self._post([receipt]))
        self._pump()

    async def close(self) -> None:
        self._waiting.clear()
        if self._wake:
            self._wake.cancel()
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    def _pump(self) -> None:
        """Start a call per connection; one while the server is unavailable, none during the pause."""
        if self._wake is not None:
            return
        limit = 1 if self._pause else self._owner.settings().receipt_connections
        while self._waiting and len(self._sending) < limit:
            if batch := self._next_batch():
                task = self._loop.create_task(self._post(batch))
                self._sending[task] = batch
                task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[int | None]) -> None:
        batch = self._sending.pop(task)
        if not task.cancelled():
            self._settle(batch, task.result())
            self._pump()

    def _next_batch(self) -> list[PendingReceipt]:
        """Return the next receipts for one URL, in order; expired ones are dropped."""
        batch: list[PendingReceipt] = []
        oldest, limit = self._loop.time() - _MAX_AGE, self._owner.settings().receipt_batch
        while self._waiting and len(batch) < limit and (not batch or batch[0].url == self._waiting[0].url):
            receipt = self._waiting.popleft()
            if receipt.created_at < oldest:
                self._owner.counts.receipts_dropped += 1
            else:
                batch.append(receipt)
        return batch

    def _settle(self, batch: list[PendingReceipt], status: int | None) -> None:
        counts = self._owner.counts
        if status is None or status >= 500 or status in (408, 429):
            counts.receipts_retried += len(batch)
            self._waiting.extendleft(reversed(batch))
            self._back_off()
            return
        self._pause = 0.0
        if 200 <= status < 300:
            for receipt in batch:
                receipt.done()
        else:
            counts.receipts_refused += len(batch)

    async def _post(self, batch: list[PendingReceipt]) -> int | None:
        """Return the HTTP status, None without a response."""
        body = json.dumps({"reports": [receipt.report for receipt in batch]}).encode()
        headers = {"Content-Type": "application/json"}
        if secret := self._owner.settings().receipt_secret:
            headers[SIGNATURE_HEADER] = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
        try:
            async with self._owner.session.post(
                batch[0].url, data=body, headers=headers, allow_redirects=False
            ) as response:
                return response.status
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None

    def _back_off(self) -> None:
        if self._wake is None:
            self._pause = min(max(self._pause * 2, _FIRST_PAUSE), _MAX_PAUSE)
            self._wake = self._loop.call_later(self._pause, self._resume)

    def _resume(self) -> None:
        self._wake = None
        self._pump()
