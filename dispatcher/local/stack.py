"""Runs a whole stack under a supervisor: databases, migrations, first run, processes, readiness."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx

from dispatcher.bootstrap import PROBE, QUEUES, celery_app, configure_logging, migrate, open_context
from dispatcher.domain.errors import Misconfigured
from dispatcher.lanes.heartbeats import LaneReading
from dispatcher.local import environment, first_run, process_commands
from dispatcher.local.embedded.events import ProcessDied, ProcessEvent, ProcessReady, describe
from dispatcher.local.embedded.postgres import postgres_process
from dispatcher.local.embedded.supervisor import Supervisor
from dispatcher.local.embedded.valkey import valkey_process
from dispatcher.local.first_run import Credentials
from dispatcher.local.stack_plan import StackPlan, has_own_providers, with_its_secrets
from dispatcher.local.watchdog import Watchdog
from dispatcher.settings import Settings

Announce = Callable[[str, str], None]
"""Takes the name of a process and what happened to it, from several threads."""

_TIMEOUT = timedelta(minutes=2)
_STOP_WITHIN = timedelta(seconds=14)  # 20 are promised: the rest is for SIGKILL and a machine under load
_POLL = timedelta(milliseconds=100)
_INDISPENSABLE = {"api"}
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
    with Supervisor(
        plan.directory, on_event=reporter.on_event, signals=True, stop_within=_STOP_WITHIN
    ) as supervisor:
        stack = _start(plan, supervisor, reporter)
        with _watchdog(stack).watching():
            action(stack)


def _watchdog(stack: Stack) -> Watchdog:
    plan, supervisor = stack.plan, stack.supervisor
    names = [process.name for process in plan.processes()]

    def pids() -> Mapping[str, int]:
        return {name: pid for name in names if (pid := supervisor.pid(name)) is not None}

    return Watchdog(
        stack.settings.redis_url.get_secret_value(),
        urls={"sandbox": f"{plan.sandbox_url}/healthz", "flower": f"{plan.flower_url}/healthcheck"},
        pids=pids,
        kill=supervisor.kill_hung,
    )


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
    asyncio.run(_await_ready(plan, supervisor, settings, reporter))
    return Stack(plan, supervisor, settings, credentials, sends_for_real)


def _start_databases(directory: Path, supervisor: Supervisor) -> None:
    # Only when the supervisor has locked the directory: before that a killed run's Valkey may hold its port.
    postgres, valkey = postgres_process(directory), valkey_process(directory)
    supervisor.start(with_its_secrets(postgres), with_its_secrets(valkey))
    os.environ.update({"DATABASE_URL": postgres.url, "REDIS_URL": valkey.url})


async def _first_run(settings: Settings, plan: StackPlan) -> Credentials:
    async with open_context(settings, name="up") as ctx:
        return await first_run.ensure(ctx, plan.directory / first_run.FILE, plan.urls)


async def _await_ready(
    plan: StackPlan, supervisor: Supervisor, settings: Settings, reporter: _Reporter
) -> None:
    """
    Wait until the servers answer and each worker has run a task, at most two minutes. Raises Misconfigured.

    A stack whose API answers works: it is not stopped because another part is slow to start.
    """
    async with open_context(settings, name="up") as ctx, httpx.AsyncClient(trust_env=False) as client:
        began = ctx.now()
        await asyncio.to_thread(_probe, settings)
        waiting: dict[str, str] = {
            "sandbox": f"{plan.sandbox_url}/healthz",
            "api": f"{plan.base_url}/readyz",
            **process_commands.WORKERS,
            "flower": f"{plan.flower_url}/healthcheck",
        }
        while waiting:
            reading = await ctx.heartbeats.read(QUEUES, now=ctx.now())
            for name, target in list(waiting.items()):
                if target.startswith("http"):
                    is_ready = await _answers(target, client)
                else:
                    is_ready = _consumes(target, supervisor.pid(name), reading, since=began)
                if is_ready:
                    del waiting[name]
                    reporter.announce(name, describe(ProcessReady(name, ctx.now() - began)))
            waited = ctx.now() - began
            _raise_if_hopeless(plan.directory, waiting, reporter, waited)
            if waited > _TIMEOUT:
                for name in waiting:
                    reporter.announce(
                        name, f"is slow to start, the rest works; see {_log(plan.directory, name)}"
                    )
                return
            await asyncio.sleep(_POLL.total_seconds())


def _probe(settings: Settings) -> None:
    """Send a probe to each queue; a worker runs it as soon as it consumes the queue."""
    celery = celery_app(settings)
    for queue in QUEUES:
        celery.send_task(PROBE, args=[queue], queue=queue, retry=False)


async def _answers(url: str, client: httpx.AsyncClient) -> bool:
    try:
        response = await client.get(url, timeout=2)
    except httpx.HTTPError:
        return False
    return response.status_code in {200, 401}


def _consumes(queue: str, pid: int | None, reading: LaneReading | None, *, since: datetime) -> bool:
    """Return whether this worker consumes, and some worker its queue."""
    if reading is None:
        return False
    seen = reading.consumed[queue]
    itself = any(report.pid == pid and report.consumed is not None for report in reading.workers_of(queue))
    return itself and seen is not None and seen >= since


def _raise_if_hopeless(
    directory: Path, waiting: Iterable[str], reporter: _Reporter, waited: timedelta
) -> None:
    """Raise Misconfigured for a process that keeps dying, and for an API that is not ready in time."""
    for name in waiting:
        died = reporter.deaths[name] >= _DEATHS
        if died or (name in _INDISPENSABLE and waited > _TIMEOUT):
            log = _log(directory, name)
            what = "keeps dying" if died else f"is not ready after {_TIMEOUT.total_seconds():.0f} s"
            raise Misconfigured(f"{name} {what}; the end of {log}:\n{_tail(log)}")


def _log(directory: Path, name: str) -> Path:
    return directory / "logs" / f"{name}.log"


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-_TAIL:]) or "(it is empty)"
