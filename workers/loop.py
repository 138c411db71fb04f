"""The asyncio loop of a worker process, which runs in its own thread, and the objects that use it."""

import asyncio
import importlib
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import AsyncExitStack
from typing import Any, Generic, TypeVar, cast

import structlog

log = structlog.get_logger()

T = TypeVar("T")
P = TypeVar("P")

_START = 60.0
_CRASHED = 70


class LoopThread(Generic[P]):
    """
    Runs a loop, opens `parts` in it, and accepts coroutines from other threads.

    If the loop fails, the process ends: a worker without its loop would keep
    lane tasks and send nothing.
    """

    def __init__(self, open_parts: Callable[[AsyncExitStack], Awaitable[P]]) -> None:
        self._open = open_parts
        self._loop: asyncio.AbstractEventLoop | None = None
        self._parts: P | None = None
        self._stopping: asyncio.Event | None = None
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="loop", daemon=True)

    @property
    def parts(self) -> P:
        """The parts that were opened in the loop."""
        assert self._parts is not None, "the loop has not started"
        return self._parts

    def start(self) -> None:
        """Start the loop, and wait until the parts are open. Raises the error of opening them."""
        self._thread.start()
        if not self._started.wait(_START):
            raise RuntimeError(f"the loop did not start within {_START:.0f} seconds")
        if self._failure is not None:
            raise self._failure

    def submit(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Run a coroutine in the loop. Return a future for the calling thread."""
        assert self._loop is not None, "the loop has not started"
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, function: Callable[[], None]) -> None:
        """Schedule a function to be called in the loop."""
        assert self._loop is not None, "the loop has not started"
        self._loop.call_soon_threadsafe(function)

    def stop(self, timeout: float) -> None:
        """Close the parts and end the loop; wait for that at most `timeout` seconds."""
        if self._loop is not None and self._stopping is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(timeout)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_new_loop()) as runner:
                runner.run(self._main())
        except BaseException as error:  # lane tasks must not wait for a loop that no longer runs
            if not self._started.is_set():
                self._failure = error
                self._started.set()
                return
            log.exception("loop_died")
            os._exit(_CRASHED)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        async with AsyncExitStack() as stack:
            self._parts = await self._open(stack)
            self._started.set()
            await self._stopping.wait()


def _new_loop() -> "Callable[[], asyncio.AbstractEventLoop] | None":
    """Return uvloop's factory if it is installed; uvloop halves the cost of a call outside our code."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return None
    return cast("Callable[[], asyncio.AbstractEventLoop]", uvloop.new_event_loop)
