"""The thread behind a `Dispatcher`: an event loop with the context of the use cases."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from typing import Any, TypeVar

import structlog

from dispatcher.bootstrap import open_context
from dispatcher.domain.accounts.account import Account, Caller
from dispatcher.domain.errors import Unavailable
from dispatcher.service.accounts import accounts
from dispatcher.service.context import Context
from dispatcher.service.health.readiness import require_migrated
from dispatcher.settings import Settings

log = structlog.get_logger()

T = TypeVar("T")

DIALECT = "python"


_FORK_WAIT = 1.0
_ENDED = "the producer's thread ended during the call; whether it was committed is not known"


class ProducerThread:
    """One thread with an event loop, and in it the context of the use cases."""

    def __init__(self, settings: Settings, account: str, *, test: bool) -> None:
        self._settings = settings
        self._account = account
        self._test = test
        self._calls: set[Future[Any]] = set()
        self._released: threading.Event | None = None  # set when the loop may continue after a fork
        self._opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._serve, name="sms-dispatcher", daemon=True)
        self.failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop
        self._stopping: asyncio.Event
        self.ctx: Context
        self.caller: Caller

    @classmethod
    def start(
        cls, settings: Settings, account: str, *, test: bool = False, after: "ProducerThread | None" = None
    ) -> "ProducerThread":
        """
        Return a thread whose context is open. Raises Misconfigured, NotFound, Unavailable.

        `after` is the thread that it replaces, which has died; its failure is noted.
        """
        started = cls(settings, account, test=test)
        started._thread.start()
        started._opened.result()
        if after is not None and after.failure is not None:
            started.ctx.background.failures.note("loop", after.failure)
        return started

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of a coroutine run in the loop. Raises Unavailable if the loop ends meanwhile."""
        try:
            call = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            work.close()
            raise Unavailable(_ENDED) from None
        self._calls.add(call)
        try:
            return call.result()
        except CancelledError:
            raise Unavailable(_ENDED) from None
        finally:
            self._calls.discard(call)

    def stop(self) -> None:
        """Wait for the calls in progress, then close everything."""
        wait(list(self._calls))
        with suppress(RuntimeError):  # it has died
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def hold(self) -> None:
        """
        Stop the loop between two steps while this process forks.

        A fork in the middle of an import would leave a half-imported module in
        the child. Under gevent the child gets a copy of the thread, which would
        go on with the parent's connections; so it stays stopped there. If a
        step takes longer than a second, the fork does not wait for it.
        """
        stopped, self._released = threading.Event(), threading.Event()
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(_block_until_released, stopped, self._released)
            stopped.wait(_FORK_WAIT)

    def release(self) -> None:
        """Continue the loop after the fork."""
        if self._released is not None:
            self._released.set()

    @property
    def is_running(self) -> bool:
        """Whether the thread runs: not if the loop has died, nor in a forked child."""
        return self._thread.is_alive()

    @property
    def account(self) -> Account:
        """The account that messages are sent for."""
        return self.caller.account

    async def read_caller(self) -> Caller:
        """Return the account as it is now: it may be paused, or have other limits. Raises NotFound."""
        account = await accounts.find(self.ctx, self._account)
        return Caller(account, DIALECT, is_test=self._test)

    def _serve(self) -> None:
        try:
            asyncio.run(self._run_loop())
        except BaseException as error:
            if not self._opened.done():
                self._opened.set_exception(error)
                return
            self.failure = error
            log.exception("producer_loop_died")

    async def _run_loop(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        async with open_context(self._settings, name="producer") as self.ctx:
            await require_migrated(self.ctx)
            self.caller = await self.read_caller()
            self._opened.set_result(None)
            await self._stopping.wait()


def _block_until_released(stopped: threading.Event, released: threading.Event) -> None:
    stopped.set()
    released.wait()
