"""Runs a whole stack under a supervisor: databases, migrations, first run, processes, readiness."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx

from dispatcher.bootstrap import PROBE, celery_app, configure_logging, migrate, open_context
from dispatcher.domain.errors import Misconfigured
from dispatcher.local import environment, first_run, process_commands
from dispatcher.local.embedded.events import ProcessDied, ProcessEvent, ProcessReady, describe
from dispatcher.local.embedded.postgres import postgres_process
from dispatcher.local.embedded.supervisor import Supervisor
from dispatcher.local.embedded.valkey import valkey_process
from dispatcher.local.first_run import Credentials
from dispatcher.local.stack_plan import StackPlan, has_own_providers
from dispatcher.service.context import Context
from dispatcher.service.health import readiness
from dispatcher.settings import Settings

Announce = Callable[[str, str], None]
"""Takes the name of a process and what happened to it, from several threads."""

_TIMEOUT = timedelta(minutes=2)
_POLL = timedelta(milliseconds=100)
_DEATHS = 3
_TAIL = 15


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack that is ready; with `sends_for_real` its providers are the user's, not the sandbox."""

    plan: StackPlan
    supervisor: Supervisor
    settings: Settings
    credentials: Credentials
    sends_for_real: bool = False


def run(plan: StackPlan, announce: Announce, action: Callable[[Stack], None]) -> None:
    """
    Start the stack, call `action` when all of it is ready, then stop it.

    Ctrl-C and SIGTERM stop it quietly at any time. Raises Misconfigured.
    """
    plan.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    reporter = _Reporter(announce)
    with Supervisor(plan.directory, on_event=reporter.on_event, signals=True) as supervisor:
        action(_start(plan, supervisor, reporter))


class _Reporter:
    """Announces the events of processes, and counts how often each has died."""

    def __init__(self, announce: Announce) -> None:
        self.announce = announce
        self.deaths: Counter[str] = Counter()
        self.checked_here: frozenset[str] = frozenset()  # processes whose readiness this module checks

    def on_event(self, event: ProcessEvent) -> None:
        """Handle an event of the supervisor, to which these processes are ready as soon as they run."""
        if isinstance(event, ProcessDied) and event.restart_in is not None:
            self.deaths[event.name] += 1
        if not (isinstance(event, ProcessReady) and event.name in self.checked_here):
            self.announce(event.name, describe(event))


def _start(plan: StackPlan, supervisor: Supervisor, reporter: _Reporter) -> Stack:
    plan.require_ports()
    if not environment.has_urls():
        _start_databases(plan.directory, supervisor)
    sends_for_real = has_own_providers()
    os.environ.update(plan.environment())
    settings = environment.inline_files()
    environment.write(plan.directory / environment.FILE, os.environ)
    configure_logging(settings.model_copy(update={"log_level": "critical"}))
    reporter.announce("database", f"is at migration {migrate(settings)}")
    credentials = asyncio.run(_first_run(settings, plan))
    processes = plan.processes()
    reporter.checked_here = frozenset(process.name for process in processes)
    supervisor.start(*processes)
    asyncio.run(_await_ready(settings, plan, reporter))
    return Stack(plan, supervisor, settings, credentials, sends_for_real)


def _start_databases(directory: Path, supervisor: Supervisor) -> None:
    # Only when the supervisor has locked the directory: before that a killed run's Valkey may hold its port.
    postgres, valkey = postgres_process(directory), valkey_process(directory)
    supervisor.start(postgres, valkey)
    os.environ.update({"DATABASE_URL": postgres.url, "REDIS_URL": valkey.url})


async def _first_run(settings: Settings, plan: StackPlan) -> Credentials:
    async with open_context(settings, name="up") as ctx:
        return await first_run.ensure(ctx, plan.directory / first_run.FILE, plan.urls)


async def _await_ready(settings: Settings, plan: StackPlan, reporter: _Reporter) -> None:
    """Wait until the servers answer and each worker has run a task. Raises Misconfigured."""
    async with open_context(settings, name="up") as ctx, httpx.AsyncClient(trust_env=False) as client:
        began = ctx.now()
        await asyncio.to_thread(_probe, settings)
        waiting: dict[str, str] = {
            "sandbox": f"{plan.sandbox_url}/healthz",
            "api": f"{plan.base_url}/readyz",
            **{f"worker-{queue}": queue for queue in process_commands.THREADS},
            "flower": f"{plan.flower_url}/healthcheck",
        }
        while waiting:
            consumed = await readiness.lanes(ctx) or {}
            for name, target in list(waiting.items()):
                if await _is_ready(target, client, consumed, since=began):
                    del waiting[name]
                    reporter.announce(name, describe(ProcessReady(name, ctx.now() - began)))
            _raise_if_hopeless(ctx, plan.directory, waiting, reporter, began)
            await asyncio.sleep(_POLL.total_seconds())


def _probe(settings: Settings) -> None:
    """Send a probe to each queue; a worker runs it as soon as it consumes the queue."""
    celery = celery_app(settings)
    for queue in process_commands.THREADS:
        celery.send_task(PROBE, args=[queue], queue=queue, retry=False)


async def _is_ready(
    target: str, client: httpx.AsyncClient, consumed: Mapping[str, datetime | None], *, since: datetime
) -> bool:
    if not target.startswith("http"):
        seen = consumed.get(target)
        return seen is not None and seen >= since
    try:
        response = await client.get(target, timeout=2)
    except httpx.HTTPError:
        return False
    return response.status_code in {200, 401}


def _raise_if_hopeless(
    ctx: Context, directory: Path, waiting: Mapping[str, str], reporter: _Reporter, began: datetime
) -> None:
    for name in waiting:
        died = reporter.deaths[name] >= _DEATHS
        if died or ctx.now() - began > _TIMEOUT:
            log = directory / "logs" / f"{name}.log"
            what = "keeps dying" if died else f"is not ready after {_TIMEOUT.total_seconds():.0f} s"
            raise Misconfigured(f"{name} {what}; the end of {log}:\n{_tail(log)}")


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-_TAIL:]) or "(it is empty)"
