"""
Enqueue from Python, without HTTP: a plain, blocking face over the same use cases.

Behind it one thread runs an event loop with the database pool. It is made at
the first call of each process, so a `Dispatcher` made before a fork
(gunicorn's preload, Celery's prefork) serves in every child.
"""

import asyncio
import os
import threading
import weakref
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future, wait
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from dispatcher.bootstrap import open_context
from dispatcher.domain.errors import Fault, FaultKind, Invalid, InvalidSubmission, Misconfigured
from dispatcher.domain.msisdn import NumberPolicy
from dispatcher.domain.status import Status
from dispatcher.domain.submission import AcceptedBatch, Caller, Submission
from dispatcher.domain.tier import Tier
from dispatcher.service import accounts, report, withdraw
from dispatcher.service.context import Context
from dispatcher.service.health import require_migrated
from dispatcher.service.submit import submit
from dispatcher.settings import Settings, load_settings

T = TypeVar("T")

DIALECT = "python"


class Dispatcher:
    """
    Sends for one account; make one and keep it, it may be shared by all threads.

    Nothing is opened before the first call. Every call raises DispatchError
    for what its caller can cause, Unavailable among it. In asyncio code call
    it through `asyncio.to_thread`: it blocks for some milliseconds.
    """

    def __init__(self, settings: Settings, *, account: str) -> None:
        if not settings.providers:
            raise Misconfigured(
                "DISPATCHER_PROVIDERS is empty here: give it the same value as the API and the workers have,"
                " else every message is born with status 28, no route"
            )
        self._settings = settings
        self._account = account
        self._lock = threading.Lock()
        self._engine: _Engine | None = None
        self._closed = False
        _living.add(self)

    @classmethod
    def from_env(cls, *, account: str) -> Self:
        """Take DATABASE_URL, REDIS_URL and DISPATCHER_… from the environment. Raises Misconfigured."""
        return cls(load_settings(), account=account)

    def send(
        self,
        to: str | Sequence[str],
        text: str,
        *,
        tier: Tier | str = Tier.STANDARD,
        sender: str | int | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        strip_diacritics: bool = False,
        stop_mention: bool = False,
    ) -> AcceptedBatch:
        """
        Accept one text to one or many numbers, all or nothing; returning means that it is committed.

        A number is in E.164, or national where the account has a country.
        `sender` is a sender ID of the account or its number, None the default
        one. Times need a zone. Raises InvalidSubmission with all faults,
        NotEnoughCredit, Invalid.
        """
        engine = self._running()
        settings = self._settings

        async def work() -> AcceptedBatch:
            country = engine.caller.account.default_country
            submission = Submission(
                recipients=[to] if isinstance(to, str) else list(to),
                text=text,
                numbers=NumberPolicy(
                    default_country=country, national=True, simulated=settings.simulated_numbers
                ),
                tier=_tier(tier),
                sender_id=await engine.sender_id(sender),
                not_before=not_before,
                not_after=not_after,
                strip_diacritics=strip_diacritics,
                stop_mention=stop_mention,
            )
            return await submit(engine.ctx, engine.caller, submission)

        return engine.run(work())

    def status(self, message_id: int) -> Status:
        """Tell where a message is. Raises NotFound, also for one that was cancelled here."""
        engine = self._running()
        return engine.run(report.one(engine.ctx, engine.caller, message_id)).status

    def cancel(self, message_id: int) -> bool:
        """Take a message back before it goes out; False means that it is too late. Raises NotFound."""
        engine = self._running()
        return engine.run(withdraw.one(engine.ctx, engine.caller, message_id))

    def close(self) -> None:
        """
        End the thread and close all connections, once the calls under way have ended.

        A process that ends without it loses nothing: ids that did not reach
        their lane are found by the clock, after 2 seconds if critical, else 30.
        """
        with self._lock:
            engine, self._engine, self._closed = self._engine, None, True
        if engine is not None:
            engine.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _running(self) -> "_Engine":
        with self._lock:
            if self._closed:
                raise RuntimeError("this Dispatcher is closed")
            if self._engine is None:
                self._engine = _Engine.start(self._settings, self._account)
            return self._engine

    def _forget(self) -> None:
        """Leave the parent's engine alone: its thread is not here, its connections are the parent's."""
        if self._engine is not None:
            _of_the_parent.append(self._engine)
        self._engine, self._lock = None, threading.Lock()


class _Engine:
    """One thread with a loop, and in it what the use cases need."""

    def __init__(self, settings: Settings, account: str) -> None:
        self._settings = settings
        self._account = account
        self._calls: set[Future[Any]] = set()
        self._opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._serve, name="sms-dispatcher", daemon=True)
        self._loop: asyncio.AbstractEventLoop
        self._stopping: asyncio.Event
        self.ctx: Context
        self.caller: Caller

    @classmethod
    def start(cls, settings: Settings, account: str) -> "_Engine":
        """Start, and wait until all is open. Raises Misconfigured, NotFound, Unavailable."""
        engine = cls(settings, account)
        engine._thread.start()
        engine._opened.result()
        return engine

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run this in the loop, and wait for it."""
        call = asyncio.run_coroutine_threadsafe(work, self._loop)
        self._calls.add(call)
        try:
            return call.result()
        finally:
            self._calls.discard(call)

    def stop(self) -> None:
        """Let the calls under way end, then close everything."""
        wait(list(self._calls))
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    async def sender_id(self, sender: str | int | None) -> int | None:
        """Find a sender ID by its name; a number is taken as it is, and judged with the rest."""
        if not isinstance(sender, str):
            return sender
        for known in await accounts.senders(self.ctx, self.caller.account):
            if known.name == sender and known.disabled_at is None:
                return known.id
        raise InvalidSubmission([Fault("sender_id", FaultKind.UNKNOWN_SENDER, sender)])

    def _serve(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as error:
            if self._opened.done():
                raise
            self._opened.set_exception(error)

    async def _live(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        async with open_context(self._settings, name="producer") as self.ctx:
            await require_migrated(self.ctx)
            self.caller = Caller(await accounts.find(self.ctx, self._account), DIALECT)
            self._opened.set_result(None)
            await self._stopping.wait()


def _tier(name: Tier | str) -> Tier:
    try:
        return Tier(name)
    except ValueError:
        raise Invalid(f"{name!r} is no tier: give {', '.join(Tier)}") from None


_living: "weakref.WeakSet[Dispatcher]" = weakref.WeakSet()
_of_the_parent: list[_Engine] = []
"""Kept for ever in a child: collecting it would close what the parent still uses."""


def _forget_the_parents() -> None:
    for dispatcher in _living:
        dispatcher._forget()


os.register_at_fork(after_in_child=_forget_the_parents)
