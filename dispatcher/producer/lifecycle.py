"""The one thread of a `Dispatcher`: started at the first call, closed, and started anew after a fork."""

import os
import threading
import weakref

from dispatcher.domain.errors import Misconfigured
from dispatcher.producer.loop_thread import ProducerThread
from dispatcher.settings import Settings

_START_WAIT = 10.0


class ThreadOwner:
    """
    Owns the thread that runs the use cases, and starts it when it is needed.

    Raises Misconfigured without providers.
    """

    def __init__(self, settings: Settings, *, account: str, test: bool) -> None:
        if not settings.providers:
            raise Misconfigured(
                "DISPATCHER_PROVIDERS is empty here: give it the same value as the API and the workers have,"
                " otherwise every message is refused with status 28, no route"
            )
        self._settings = settings
        self._account = account
        self._test = test
        self._lock = threading.Lock()
        self._thread: ProducerThread | None = None
        self._closed = False
        self._has_lock = False
        _instances.add(self)

    def _close(self) -> None:
        with self._lock:
            thread, self._thread, self._closed = self._thread, None, True
        if thread is not None:
            thread.stop()

    def _current_thread(self) -> ProducerThread:
        with self._lock:
            if self._closed:
                raise RuntimeError("this Dispatcher is closed")
            if self._thread is None or not self._thread.is_running:
                self._thread = ProducerThread.start(
                    self._settings, self._account, test=self._test, after=self._thread
                )
            return self._thread

    def _before_fork(self) -> None:
        """Wait for a start in progress and stop the thread, so that the child has no half-imported module."""
        self._has_lock = self._lock.acquire(timeout=_START_WAIT)
        if self._thread is not None:
            self._thread.hold()

    def _after_fork(self) -> None:
        if self._thread is not None:
            self._thread.release()
        if self._has_lock:
            self._has_lock = False
            self._lock.release()

    def _forget(self) -> None:
        """Drop the parent's thread: it does not run in this process, and its connections are the parent's."""
        self._has_lock = False
        if self._thread is not None:
            _parents_threads.append(self._thread)
        self._thread, self._lock = None, threading.Lock()


_instances: "weakref.WeakSet[ThreadOwner]" = weakref.WeakSet()
_parents_threads: list[ProducerThread] = []
"""Kept in a child until it ends: garbage collection would close connections that the parent still uses."""


def _hold_all() -> None:
    for owner in list(_instances):
        owner._before_fork()


def _release_all() -> None:
    for owner in list(_instances):
        owner._after_fork()


def _forget_all() -> None:
    for owner in list(_instances):
        owner._forget()


os.register_at_fork(before=_hold_all, after_in_parent=_release_all, after_in_child=_forget_all)
