"""Whether this process can do its work, and what works only in part."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from dispatcher.domain.errors import Misconfigured, Unavailable
from dispatcher.domain.tier import Tier
from dispatcher.lanes.celery_app import QUEUES
from dispatcher.service.context import Context
from dispatcher.store import migrate

_SILENT = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Readiness:
    """
    The state of this process: `faults` keep it from being ready, `degraded` does not.

    Without Redis it is only degraded: submits go on, and the clock delivers what waits.
    """

    faults: tuple[str, ...]
    degraded: tuple[str, ...]

    @property
    def is_ready(self) -> bool:
        """Whether submits can be accepted."""
        return not self.faults


async def readiness(ctx: Context) -> Readiness:
    """Check Postgres, its migrations, Redis, each lane's last probe, and what has failed lately."""
    return Readiness(await _faults(ctx), await _degraded(ctx))


async def require_migrated(ctx: Context) -> None:
    """Raise Misconfigured unless the database is at the newest migration. Raises Unavailable."""
    at = await ctx.database.transact(migrate.applied_revision)
    if at != migrate.newest_revision():
        raise Misconfigured(
            f"the database is at migration {at or 'none'}, this version needs {migrate.newest_revision()}:"
            " run `dispatcher migrate`"
        )


async def lanes(ctx: Context) -> dict[str, datetime | None] | None:
    """Return when each queue was last seen consuming; None when Redis is away."""
    last = await ctx.pulse.last(QUEUES)
    return None if last is None else dict(last)


async def failures(ctx: Context) -> list[str] | None:
    """Return a line for each thread or task that failed within the last hour; None without Redis."""
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
