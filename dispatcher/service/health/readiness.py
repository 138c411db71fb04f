"""Readiness: whether this process can do its work, and what stops or delays messages."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from dispatcher.domain.errors import Misconfigured, Unavailable
from dispatcher.lanes.celery_app import QUEUES
from dispatcher.service.bounded_checks import LIMIT
from dispatcher.service.context import Context
from dispatcher.service.health import redis_checks
from dispatcher.service.health.finding import Finding, Level, fail
from dispatcher.service.health.message_checks import delayed
from dispatcher.store import migrate

_LIMIT = f"{LIMIT.total_seconds()} seconds"
_LATE_DATABASE: tuple[str, ...] = (f"the database has not answered for {_LIMIT}; try again",)
_NO_REDIS = "messages wait for it in Postgres"
_REDIS_ADVICE = "is it running, and is REDIS_URL right?"
_LATE_REDIS: Sequence[Finding] = (
    fail("redis", f"has not answered for {_LIMIT}; {_NO_REDIS}", _REDIS_ADVICE),
)
_AWAY_REDIS: Sequence[Finding] = (fail("redis", f"cannot be reached; {_NO_REDIS}", _REDIS_ADVICE),)
_NOTHING: Sequence[Finding] = ()
_MOST_COUNTED = 1000


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
    Return whether this process can accept messages, and what stops or delays messages anywhere.

    It answers within a second: a peer that does not answer in time is a fault.
    Only what no process can do without is a fault of this process. All others
    would share any other fault, and a load balancer would take them all away.
    """
    faults, redis, messages = await asyncio.gather(
        ctx.checks.run(_faults, partial(_faults, ctx), late=_LATE_DATABASE),
        ctx.checks.run(redis_findings, partial(redis_findings, ctx), late=_LATE_REDIS),
        ctx.checks.run(_messages, partial(_messages, ctx), late=_NOTHING),
    )
    found = [finding for finding in (*redis, *messages) if finding.level is not Level.OK]
    return Readiness(faults, tuple(str(finding) for finding in found))


async def redis_findings(ctx: Context) -> Sequence[Finding]:
    """Check Redis, the queues, and what all processes say of clocks, logins and background tasks."""
    reading = await ctx.heartbeats.read(QUEUES, now=ctx.now())
    failed = await ctx.background.failures.recent()
    if reading is None or failed is None:
        return _AWAY_REDIS
    return [
        redis_checks.writes(reading.refusal),
        *redis_checks.queues(reading, now=ctx.now()),
        *redis_checks.processes(reading, now=ctx.now()),
        *redis_checks.clocks(reading.processes),
        redis_checks.logins(reading.processes),
        *redis_checks.background(failed),
    ]


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


async def _faults(ctx: Context) -> tuple[str, ...]:
    try:
        await require_migrated(ctx)
    except (Misconfigured, Unavailable) as error:
        return (str(error),)
    return ()


async def _messages(ctx: Context) -> Sequence[Finding]:
    """Check the messages; nothing if `_faults` has the reason why they cannot be read."""
    try:
        await require_migrated(ctx)
        return await delayed(ctx, count_up_to=_MOST_COUNTED)
    except (Misconfigured, Unavailable):
        return ()
