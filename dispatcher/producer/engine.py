"""The thread behind a `Dispatcher`: an event loop, and in it what the use cases need."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from dispatcher.bootstrap import open_context
from dispatcher.domain.errors import Fault, FaultKind, InvalidSubmission
from dispatcher.domain.submission import Account, Caller
from dispatcher.service import accounts
from dispatcher.service.context import Context
from dispatcher.service.health import require_migrated
from dispatcher.settings import Settings

T = TypeVar("T")

DIALECT = "python"


class Engine:
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
    def start(cls, settings: Settings, account: str) -> "Engine":
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

    @property
    def account(self) -> Account:
        """Who sends."""
        return self.caller.account

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
