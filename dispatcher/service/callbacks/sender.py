"""
Sends callbacks to producers: events of their messages, and inbound messages, from the outbox.

Each is sent at least once, with a stable id and the event's `seq`, by which a
receiver can detect repeats and restore the order. The dialects format them.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.callbacks.callback import CallbackRequest, Poster
from dispatcher.domain.callbacks.events import InboundEvent, MessageEvent
from dispatcher.domain.callbacks.retries import STANDARD_RETRIES, RetrySchedule
from dispatcher.domain.callbacks.slots import MAX_CALLS_OF_ACCOUNT, CallSlots
from dispatcher.domain.errors import Unavailable
from dispatcher.service.callbacks import results
from dispatcher.service.callbacks.results import EndedTry
from dispatcher.service.context import Context
from dispatcher.store.callbacks import outbox
from dispatcher.store.callbacks.outbox import DueCallback

log = structlog.get_logger()

_POLL = timedelta(milliseconds=250)
_GATHER = timedelta(milliseconds=20)
_LEASE = timedelta(seconds=60)
_CANDIDATES = 2 * MAX_CALLS_OF_ACCOUNT  # some may be for a host that has all its calls


class Signature(Enum):
    """How a callback is signed."""

    STANDARD_WEBHOOKS = auto()
    TIMESTAMPED = auto()  # X-Timestamp and X-Signature


@dataclass(frozen=True, slots=True)
class FormattedCallback:
    """A callback as its dialect formats it, signs it and tries it again."""

    body: Mapping[str, object]
    signature: Signature
    retries: RetrySchedule = STANDARD_RETRIES


@dataclass(frozen=True, slots=True)
class SignedPayload:
    """
    The parts of a callback that are signed; the id is the same in every try.

    After a rotation it is signed with the previous secret too, for a time.
    """

    id: str
    secret: str
    at: datetime
    body: bytes
    previous_secret: str | None = None


EventFormatter = Callable[[MessageEvent], FormattedCallback]
InboundFormatter = Callable[[InboundEvent], FormattedCallback]
Signer = Callable[[SignedPayload], Mapping[str, str]]


class CallbackSender:
    """
    Sends the due callbacks of the dialects in `formatters`; any number of processes may run one.

    The calls in progress of one account and of one host are limited, so a slow
    URL delays only its own account.
    """

    def __init__(
        self,
        ctx: Context,
        poster: Poster,
        *,
        formatters: Mapping[str, EventFormatter],
        signers: Mapping[Signature, Signer],
        inbound_formatters: Mapping[str, InboundFormatter] | None = None,
    ) -> None:
        self._ctx = ctx
        self._poster = poster
        self._formatters = formatters
        self._inbound_formatters = inbound_formatters or {}
        self._signers = signers
        self._calls: set[asyncio.Task[None]] = set()
        self._slots = CallSlots()
        self._ended: list[EndedTry] = []

    async def run(self) -> None:
        """Send until cancelled; calls that are cancelled then are sent again when their lease expires."""
        try:
            while True:
                try:
                    taken = await self.take()
                    await self.write()
                except Unavailable as error:
                    taken = 0
                    log.warning("callbacks_wait_for_postgres", error=str(error))
                if not taken:
                    await self._pause()
        finally:
            for call in self._calls:
                call.cancel()
            await asyncio.gather(*self._calls, return_exceptions=True)

    async def _pause(self) -> None:
        """Wait for slots that become free, some at a time, or until it is time to look for new callbacks."""
        if self._calls:
            poll = _POLL.total_seconds()
            await asyncio.wait(self._calls, timeout=poll, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(_GATHER.total_seconds())
        else:
            await asyncio.sleep(_POLL.total_seconds())

    async def take(self) -> int:
        """Start the calls that are due and have a slot, and return how many."""
        taken = await self._ctx.database.transact(self._take)
        for due in taken:
            if due.disabled_reason is not None:
                self._ended.append(results.not_called(due, due.disabled_reason))
                continue
            self._slots.open(due.account_id, due.url)
            call = asyncio.create_task(self._send(due))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
        return len(taken)

    async def _take(self, connection: AsyncConnection) -> list[DueCallback]:
        now = self._ctx.now()
        accounts = self._slots.turn(await outbox.due_accounts(connection, now=now))
        if not accounts:
            return []
        found = await outbox.candidates(
            connection, accounts, dialects=self._formatters, each=_CANDIDATES, now=now
        )
        return await outbox.take(connection, self._slots.choose(found), now=now, lease=_LEASE)

    async def write(self) -> None:
        """Write the results of ended calls. Raises Unavailable, and keeps them for the next time."""
        ended = list(self._ended)
        if ended:
            await results.write(self._ctx, ended)
            del self._ended[: len(ended)]

    async def _send(self, due: DueCallback) -> None:
        retries = STANDARD_RETRIES
        try:
            formatted = self._format(due)
            retries = formatted.retries
            reply = await self._poster.post(self._request(due, formatted))
            ended = results.called(self._ctx, due, reply, retries)
        except Exception as error:  # a bug in a formatter or the poster must not stop the others
            log.exception("callback_crashed", callback_id=due.id, dialect=due.dialect)
            self._ctx.background.failures.note(f"callbacks of {due.dialect}", error)
            ended = results.crashed(self._ctx, due, retries)
        finally:
            self._slots.close(due.account_id, due.url)
        self._ended.append(ended)

    def _request(self, due: DueCallback, formatted: FormattedCallback) -> CallbackRequest:
        body = json.dumps(formatted.body, ensure_ascii=False, separators=(",", ":")).encode()
        payload = SignedPayload(
            str(due.public_id), due.secret, self._ctx.now(), body, previous_secret=due.previous_secret
        )
        headers = {"Content-Type": "application/json"}
        return CallbackRequest(due.url, body, {**headers, **self._signers[formatted.signature](payload)})

    def _format(self, due: DueCallback) -> FormattedCallback:
        if isinstance(due.event, InboundEvent):
            return self._inbound_formatters[due.dialect](due.event)
        return self._formatters[due.dialect](due.event)
