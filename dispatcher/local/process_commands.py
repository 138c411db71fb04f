"""The command lines of the processes: `dispatcher worker` executes one, `dispatcher up` starts all."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

# Keep Python (-P) and Celery (--workdir) from importing a `workers` out of the working directory.
_PYTHON = (sys.executable, "-P", "-m")
_ROOT = Path(__file__).parents[2]
_WORKERS = (*_PYTHON, "workers")
_CELERY = (*_PYTHON, "celery", "--quiet", f"--workdir={_ROOT}", "--app=workers.broker")

# A lane task holds a thread until its messages are claimed or queued. Critical tasks are small, often one
# message, so that queue needs more threads.
THREADS: Mapping[str, int] = {"critical": 64, "standard": 12, "bulk": 12, "clock": 8, "system": 4}
"""How many tasks the worker of each queue runs at once."""

WORKERS: Mapping[str, str] = {
    "worker-critical": "critical",
    "worker-critical-2": "critical",  # docs/decisions/0029: while one is started again, the other sends
    "worker-standard": "standard",
    "worker-bulk": "bulk",
    "worker-clock": "clock",
    "worker-system": "system",
}
"""The worker processes of a stack, and the queue that each consumes."""

_SECRETS = frozenset(
    {
        "DATABASE_URL",
        "REDIS_URL",
        "DISPATCHER_PROVIDERS",
        "DISPATCHER_JWT_SECRET",
        "DISPATCHER_FLOWER_AUTH",
        "FLOWER_BASIC_AUTH",
        "POSTGRES_PASSWORD",
        "VALKEY_PASSWORD",
    }
)
_NEEDED: Mapping[str, frozenset[str]] = {
    "api": frozenset({"DATABASE_URL", "REDIS_URL", "DISPATCHER_PROVIDERS", "DISPATCHER_JWT_SECRET"}),
    "worker": frozenset({"DATABASE_URL", "REDIS_URL", "DISPATCHER_PROVIDERS"}),
    "beat": frozenset({"REDIS_URL"}),
    "flower": frozenset({"REDIS_URL", "DISPATCHER_FLOWER_AUTH", "FLOWER_BASIC_AUTH"}),
    "sandbox": frozenset(),
    "postgres": frozenset(),
    "valkey": frozenset(),
}


def unneeded_secrets(process: str) -> frozenset[str]:
    """Return the variables with secrets that a process must not get: `process` is "api", "worker-bulk", …."""
    needed = _NEEDED[process.partition("-")[0]]
    return frozenset(variable for name in _SECRETS - needed for variable in (name, f"{name}_FILE"))


def worker(queue: str, *, concurrency: int | None = None, name: str | None = None) -> list[str]:
    """Return the command of a worker of one queue. Heartbeats and events stay on: Flower needs them."""
    return [
        *_WORKERS,
        "worker",
        f"--queues={queue}",
        "--pool=threads",
        f"--concurrency={concurrency or THREADS[queue]}",
        f"--hostname={name or queue}@%h",
        "--without-gossip",
        "--without-mingle",
        "--loglevel=WARNING",
    ]


def beat() -> list[str]:
    """Return the command of beat. Its schedule is in memory: entries of a second need no file."""
    return [*_WORKERS, "beat", "--scheduler=celery.beat:Scheduler", "--loglevel=WARNING"]


def flower(host: str, port: int) -> list[str]:
    """Return the command of Flower. Its login comes from the environment, because arguments are public."""
    return [*_CELERY, "flower", f"--address={host}", f"--port={port}"]


def flower_environment(environ: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """Return the environment variable with Flower's login; empty without one."""
    auth = environ.get("DISPATCHER_FLOWER_AUTH") or environ.get("FLOWER_BASIC_AUTH")
    return {"FLOWER_BASIC_AUTH": auth} if auth else {}


def api(host: str, port: int) -> list[str]:
    """Return the command of the API."""
    return [*_PYTHON, "dispatcher.cli", "api", f"--host={host}", f"--port={port}"]


def sandbox(host: str, port: int, settings: Path, *, post_to: str) -> list[str]:
    """Return the command of the sandbox, with its settings in a file, and the address of its receipts."""
    where = [f"--host={host}", f"--port={port}", f"--settings=@{settings}", f"--post-to={post_to}"]
    return [*_PYTHON, "dispatcher.sandbox", *where]
