"""The definition of a process: its command, its readiness check, and how to stop it."""

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from dispatcher.local.embedded.child import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedProcess:
    """
    A process that a Supervisor keeps alive.

    `env` overrides the supervisor's environment, of which it does not get
    `without`. `prepare` runs before each
    start and restart, and `clean_up` after a stop. Without `ready` the process
    is ready as soon as it runs. If it dies before it is ready, it is restarted
    during `start_retry` (for a server that finds remains of its last run);
    after that the start has failed. `url` is its address, if it has one.
    Adjacent processes that are all `together` stop at the same time, because
    none needs another.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    without: frozenset[str] = frozenset()
    url: str = field(default="", repr=False)
    prepare: Callable[[], None] | None = None
    clean_up: Callable[[], None] | None = None
    ready: Callable[[], bool] | None = None
    ready_timeout: timedelta = timedelta(seconds=30)
    start_retry: timedelta = timedelta(0)
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout: timedelta = timedelta(seconds=10)
    identity: Identity = Identity.SELF
    nice: int = 0
    together: bool = False
