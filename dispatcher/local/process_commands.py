"""The command lines of the processes: `dispatcher worker` executes one, `dispatcher up` starts them all."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

# Neither Python nor Celery looks into the working directory, where a user may have a `workers` too.
_PYTHON = (sys.executable, "-P", "-m")
_ROOT = Path(__file__).parents[2]
_WORKERS = (*_PYTHON, "workers")
_CELERY = (*_PYTHON, "celery", "--quiet", f"--workdir={_ROOT}", "--app=workers.app")

# A chunk takes a thread until what may go at once is claimed; critical chunks are small, often one message.
THREADS: Mapping[str, int] = {"critical": 64, "standard": 12, "bulk": 12, "clock": 8, "system": 4}
"""How many tasks each kind of worker runs at once; its keys are the queues."""


def worker(queue: str, *, concurrency: int | None = None, name: str | None = None) -> list[str]:
    """Consume one queue. Heartbeats and events stay on: Flower needs them."""
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
    """Start the duties. Its schedule is in memory: an entry a second needs no file to remember."""
    return [*_WORKERS, "beat", "--scheduler=celery.beat:Scheduler", "--loglevel=WARNING"]


def flower(host: str, port: int) -> list[str]:
    """Show the workers. Passwords come from the environment: a list of processes shows arguments."""
    return [*_CELERY, "flower", f"--address={host}", f"--port={port}"]


def flower_environment(environ: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """Return the variables in which Flower looks for its passwords."""
    auth = environ.get("DISPATCHER_FLOWER_AUTH") or environ.get("FLOWER_BASIC_AUTH")
    return {"FLOWER_BASIC_AUTH": auth} if auth else {}


def api(host: str, port: int) -> list[str]:
    """Serve the API."""
    return [*_PYTHON, "dispatcher.cli", "api", f"--host={host}", f"--port={port}"]


def sandbox(host: str, port: int, settings: Path) -> list[str]:
    """Simulate a network, with settings from a file."""
    where = [f"--host={host}", f"--port={port}", f"--settings=@{settings}"]
    return [*_PYTHON, "dispatcher.sandbox", *where]
