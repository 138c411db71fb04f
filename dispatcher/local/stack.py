"""A whole stack under a supervisor: databases, tables, first run, processes, and their readiness."""

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
from dispatcher.local.stack_plan import StackPlan
from dispatcher.service import health
from dispatcher.service.context import Context
from dispatcher.settings import Settings

Announce = Callable[[str, str], None]
"""Takes the name of a process and what happened to it, from several threads."""

_PATIENCE = timedelta(minutes=2)
_POLL = timedelta(milliseconds=100)
_PROBE_GOOD_FOR = timedelta(minutes=5)
_DEATHS = 3
_TAIL = 15


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack that is ready."""

    plan: StackPlan
    supervisor: Supervisor
    settings: Settings
    credentials: Credentials


def run(plan: StackPlan, announce: Announce, story: Callable[[Stack], None]) -> None:
    """
    Start the stack, call `story` once all of it is ready, then stop it.

    Ctrl-C and SIGTERM end it quietly at any time. Raises Misconfigured.
    """
    plan.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    reporter = _Reporter(announce)
    with Supervisor(plan.directory, on_event=reporter.hear, signals=True) as supervisor:
        story(_start(plan, supervisor, reporter))


class _Reporter:
    """Announces what happens to processes, and counts how often each has died."""

    def __init__(self, announce: Announce) -> None:
        self.announce = announce
        self.deaths: Counter[str] = Counter()
        self.judged_here: frozenset[str] = frozenset()  # those whose readiness this module finds out

    def hear(self, event: ProcessEvent) -> None:
        """Take an event of the supervisor; for it a process is ready as soon as it runs."""
        if isinstance(event, ProcessDied) and event.restart_in is not None:
            self.deaths[event.name] += 1
        if not (isinstance(event, ProcessReady) and event.name in self.judged_here):
            self.announce(event.name, describe(event))


def _start(plan: StackPlan, supervisor: Supervisor, reporter: _Reporter) -> Stack:
    plan.require_ports()
    if not environment.has_urls():
        _start_databases(plan.directory, supervisor)
    os.environ.update(plan.environment())
    settings = environment.inline_files()
    environment.write(plan.directory / environment.FILE, os.environ)
    configure_logging(settings.model_copy(update={"log_level": "critical"}))
    reporter.announce("database", f"is at migration {migrate(settings)}")
    made = asyncio.run(_first_run(settings, plan))
    parts = plan.parts()
    reporter.judged_here = frozenset(part.name for part in parts)
    supervisor.start(*parts)
    asyncio.run(_await_ready(settings, plan, reporter))
    return Stack(plan, supervisor, settings, made)


def _start_databases(directory: Path, supervisor: Supervisor) -> None:
    # Only once the supervisor has the directory: before that a killed Valkey may still hold its port.
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
            consumed = await health.lanes(ctx) or {}
            for name, place in list(waiting.items()):
                if await _is_ready(place, client, consumed, since=began):
                    del waiting[name]
                    reporter.announce(name, describe(ProcessReady(name, ctx.now() - began)))
            _give_up_if_hopeless(ctx, plan.directory, waiting, reporter, began)
            await asyncio.sleep(_POLL.total_seconds())


def _probe(settings: Settings) -> None:
    """Send a probe through each queue; its worker runs it as soon as it consumes."""
    celery = celery_app(settings)
    for queue in process_commands.THREADS:
        celery.send_task(
            PROBE, args=[queue], queue=queue, expires=_PROBE_GOOD_FOR.total_seconds(), retry=False
        )


async def _is_ready(
    place: str, client: httpx.AsyncClient, consumed: Mapping[str, datetime | None], *, since: datetime
) -> bool:
    if not place.startswith("http"):
        seen = consumed.get(place)
        return seen is not None and seen >= since
    try:
        answer = await client.get(place, timeout=2)
    except httpx.HTTPError:
        return False
    return answer.status_code in {200, 401}


def _give_up_if_hopeless(
    ctx: Context, directory: Path, waiting: Mapping[str, str], reporter: _Reporter, began: datetime
) -> None:
    for name in waiting:
        died = reporter.deaths[name] >= _DEATHS
        if died or ctx.now() - began > _PATIENCE:
            log = directory / "logs" / f"{name}.log"
            what = "dies again and again" if died else f"is not ready after {_PATIENCE.total_seconds():.0f} s"
            raise Misconfigured(f"{name} {what}; the end of {log}:\n{_tail(log)}")


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-_TAIL:]) or "(it is empty)"
