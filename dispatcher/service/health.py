"""Readiness: whether this process can do its work, and which parts are degraded."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from dispatcher.domain.errors import Misconfigured, Unavailable
from dispatcher.domain.tier import Tier
from dispatcher.lanes.celery_app import QUEUES
from dispatcher.service.bounded_checks import LIMIT
from dispatcher.service.context import Context
from dispatcher.store import migrate

_SILENT = timedelta(seconds=30)
_LATE_DATABASE: tuple[str, ...] = (
    f"the database has not answered for {LIMIT.total_seconds()} seconds; try again",
)
_LATE_REDIS: tuple[str, ...] = (
    f"Redis has not answered for {LIMIT.total_seconds()} seconds; messages wait for it in Postgres",
)


@dataclass(frozen=True, slots=True)
class Readiness:
    """
    The state of this process. `faults` keep it from being ready, `degraded` does not.

    Without Redis it is degraded and still ready: it accepts messages, which
    wait in Postgres.
    """

    faults: tuple[str, ...]
    degraded: tuple[str, ...]

    @property
    def is_ready(self) -> bool:
        """Whether this process can accept messages."""
        return not self.faults


async def readiness(ctx: Context) -> Readiness:
    """
    Return the state of Postgres, its migrations, Redis, the probes of each lane, and recent failures.

    It answers within a second: a peer that does not answer in time is a fault.
    """
    faults, degraded = await asyncio.gather(
        ctx.checks.run(_faults, partial(_faults, ctx), late=_LATE_DATABASE),
        ctx.checks.run(_degraded, partial(_degraded, ctx), late=_LATE_REDIS),
    )
    return Readiness(faults, degraded)


async def require_migrated(ctx: Context) -> None:
    """Raise Misconfigured unless the database is at the newest migration. Raises Unavailable."""
    at = await ctx.database.transact(migrate.applied_revision)
    if at != migrate.newest_revision():
        raise Misconfigured(
            f"the database is at migration {at or 'none'}, this version needs {migrate.newest_revision()}:"
            " run `dispatcher migrate`"
        )


async def lanes(ctx: Context) -> dict[str, datetime | None] | None:
    """Return when a worker last consumed from each queue; None when Redis cannot be reached."""
    last = await ctx.heartbeats.last(QUEUES)
    return None if last is None else dict(last)


async def failures(ctx: Context) -> list[str] | None:
    """Return a line for each thread or task that failed in the last hour; None without Redis."""
    failed = await ctx.background.failures.recent()
    return None if failed is None else [str(failure) for failure in failed]


async def _faults(ctx: Context) -> tuple[str, ...]:
    try:
        await require_migrated(ctx)
    except (Misconfigured, Unavailable) as error:
        return (str(error),)
    return ()


async def _degraded(ctx: Context) -> tuple[str, ...]:
    last = await lanes(ctx)
    if last is None:
        return ("Redis cannot be reached; messages wait for it in Postgres",)
    silent = [
        f"{'lane' if queue in set(Tier) else 'queue'} {queue} {_silence(ctx, seen)}"
        for queue, seen in last.items()
        if seen is None or ctx.now() - seen > _SILENT
    ]
    return (*silent, *(await failures(ctx) or ()))


def _silence(ctx: Context, seen: datetime | None) -> str:
    if seen is None:
        return "was never seen consuming"
    return f"last consumed {int((ctx.now() - seen).total_seconds())} seconds ago"
