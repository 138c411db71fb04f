"""The composition root: builds the Context, and starts its background tasks."""

import asyncio
import gc
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import entry_points

import structlog
from celery import Celery
from sqlalchemy.exc import DBAPIError

from dispatcher import logs
from dispatcher.callbacks.signatures import standard_webhook, timestamped
from dispatcher.domain.callbacks.callback import Poster
from dispatcher.domain.delivery.provider import Polls, ProviderFactory
from dispatcher.domain.errors import Misconfigured, Unavailable
from dispatcher.lanes.breaker import Breakers
from dispatcher.lanes.celery_app import (
    CLOCK,
    DELIVER,
    DELIVER_ANY,
    OWN_PROBE,
    POSTED_AT,
    PROBE,
    QUEUES,
    SYSTEM,
    make_celery,
)
from dispatcher.lanes.connect import open_async_redis, open_redis
from dispatcher.lanes.failures import FailureLog
from dispatcher.lanes.heartbeats import Heartbeats
from dispatcher.lanes.limits import Limits
from dispatcher.lanes.publisher import Publisher
from dispatcher.lanes.throttle import Throttle
from dispatcher.lanes.wake import WakeListener
from dispatcher.service.background import BackgroundTasks
from dispatcher.service.callbacks.sender import (
    CallbackSender,
    EventFormatter,
    InboundFormatter,
    Signature,
    Signer,
)
from dispatcher.service.clock.unpublished import UnpublishedMessages
from dispatcher.service.context import ConfiguredProvider, Context
from dispatcher.service.database import Database
from dispatcher.service.health.process_report import Consumed, first_report, keep_reporting, nothing_consumed
from dispatcher.service.provider_health import ProviderHealth
from dispatcher.service.routing import routes
from dispatcher.service.time import INTERVAL, PostgresTime
from dispatcher.settings import BrokerSettings, ProviderSettings, Settings
from dispatcher.store.engine import is_unavailable, open_engine
from dispatcher.store.migrate import newest_revision, upgrade

__all__ = [
    "CLOCK",
    "DELIVER",
    "DELIVER_ANY",
    "OWN_PROBE",
    "POSTED_AT",
    "PROBE",
    "QUEUES",
    "SYSTEM",
    "celery_app",
    "configure_logging",
    "migrate",
    "open_callback_sender",
    "open_context",
    "open_providers",
    "open_wake_listener",
    "tune_garbage_collection",
]

log = structlog.get_logger()

_GROUP = "sms_dispatcher.providers"
_RETRY = 1.0
_ROUTES = 1.0
_FAILURES = 1.0


def celery_app(settings: BrokerSettings) -> Celery:
    """Return the Celery application."""
    return make_celery(settings.redis_url.get_secret_value())


@asynccontextmanager
async def open_context(
    settings: Settings,
    *,
    name: str,
    queues: frozenset[str] = frozenset(),
    consumed: Consumed = nothing_consumed,
) -> AsyncIterator[Context]:
    """
    Open a Context in the running loop, and close it at the end of the block.

    `name` is the name of the process in pg_stat_activity, `/readyz` and
    `doctor`, `queues` are those that it consumes, and `consumed` returns when it
    last did. The context uses the time of Postgres, and the time of this machine until Postgres can be
    reached for the first time.
    """
    url, redis_url = settings.database_url.get_secret_value(), settings.redis_url.get_secret_value()
    async with AsyncExitStack() as stack:
        database = Database(open_engine(url, pool_size=settings.database_pool, name=name))
        stack.push_async_callback(database.close)
        wake_redis, redis = open_redis(redis_url), open_async_redis(redis_url)
        stack.callback(wake_redis.close)
        stack.push_async_callback(redis.aclose)
        providers = open_providers(settings)
        for configured in providers.values():
            stack.push_async_callback(configured.provider.close)
        failures = FailureLog(redis, process=name)
        background = BackgroundTasks(failures)
        time = PostgresTime(database)
        unpublished = UnpublishedMessages(database, time)
        publisher = Publisher(
            celery_app(settings),
            wake_redis,
            on_failure=failures.note,
            on_unpublished=unpublished.add,
            now=time.now,
        )
        stack.push_async_callback(unpublished.close)
        publisher.start()
        stack.push_async_callback(asyncio.to_thread, publisher.stop)
        configs = [configured.config for configured in providers.values()]
        provider_health = ProviderHealth(
            configs, database, Breakers(redis), wake=publisher.wake, on_failure=failures.note
        )
        stack.push_async_callback(provider_health.close)
        ctx = Context(
            settings=settings,
            database=database,
            time=time,
            lanes=publisher,
            throttle=Throttle(redis),
            limits=Limits(redis),
            heartbeats=Heartbeats(redis),
            providers=providers,
            provider_health=provider_health,
            background=background,
            provider_states=provider_health.states,
        )
        stack.push_async_callback(ctx.checks.close)
        provider_health.start()
        known = await _sample(time)
        await _read_routes(ctx)
        stack.push_async_callback(background.close)
        background.start("time", partial(_follow_time, time, known=known))
        background.start("routes", partial(_follow_routes, ctx))
        background.start("failures", partial(_write_failures, failures))
        background.start("unpublished", partial(unpublished.run, publisher.wake))
        report = first_report(ctx, name, queues=queues)
        background.start("report", partial(keep_reporting, ctx, report, consumed=consumed))
        yield ctx


def open_wake_listener(settings: Settings) -> WakeListener:
    """Return the listener that wakes the timer."""
    return WakeListener(open_async_redis(settings.redis_url.get_secret_value()))


def open_callback_sender(
    ctx: Context, formatters: Mapping[str, EventFormatter], inbound_formatters: Mapping[str, InboundFormatter]
) -> tuple[CallbackSender, Poster]:
    """Return the callback sender and its poster; the caller closes the poster after the sender has ended."""
    from dispatcher.callbacks.poster import HttpPoster  # brings aiohttp, which a worker would import in vain

    poster = HttpPoster(rules=ctx.url_rules)
    signers: Mapping[Signature, Signer] = {
        Signature.STANDARD_WEBHOOKS: lambda payload: standard_webhook(
            payload.secret,
            id=payload.id,
            at=payload.at,
            body=payload.body,
            previous=payload.previous_secret,
        ),
        Signature.TIMESTAMPED: lambda payload: timestamped(
            payload.secret, at=payload.at, body=payload.body, previous=payload.previous_secret
        ),
    }
    sender = CallbackSender(
        ctx, poster, formatters=formatters, inbound_formatters=inbound_formatters, signers=signers
    )
    return sender, poster


def open_providers(settings: Settings) -> Mapping[str, ConfiguredProvider]:
    """
    Return the configured providers by name, in the order of the settings.

    Raises Misconfigured for a name that is used twice, an unknown plug-in, a
    lease that is too short for the provider's call_timeout, and `poll` with a
    plug-in that cannot poll.
    """
    factories = {plugin.name: plugin for plugin in entry_points(group=_GROUP)}
    providers: dict[str, ConfiguredProvider] = {}
    for entry in settings.providers:
        if entry.name in providers:
            raise Misconfigured(f"DISPATCHER_PROVIDERS names {entry.name!r} twice: names must be unique")
        if entry.plugin not in factories:
            known = ", ".join(sorted(factories)) or "none; is the package installed?"
            raise Misconfigured(
                f"provider {entry.name!r} names the unknown plug-in {entry.plugin!r}; installed are: {known}"
            )
        _check_lease(settings, entry)
        factory: ProviderFactory = factories[entry.plugin].load()
        config = entry.config(settings.public_url)
        provider = factory(config)
        if config.poll is not None and not isinstance(provider, Polls):
            raise Misconfigured(
                f"provider {entry.name!r} has `poll`, but its plug-in cannot ask for receipts: remove `poll`"
            )
        providers[entry.name] = ConfiguredProvider(config, provider)
    return providers


def migrate(settings: Settings) -> str:
    """Upgrade the database to the newest migration and return its name. Raises Unavailable."""
    try:
        upgrade(settings.database_url.get_secret_value())
    except DBAPIError as error:
        if is_unavailable(error):
            raise Unavailable(f"the database cannot be reached: {_first_line(error.orig)}") from error
        raise
    return newest_revision()


def configure_logging(settings: BrokerSettings) -> None:
    """Write one JSON line for each log event to standard error."""
    logs.configure(settings.log_level)


def tune_garbage_collection() -> None:
    """
    Exempt all objects that exist now from garbage collection, and collect less often.

    Call it once the objects exist that live as long as the process. A full
    collection stops a process for tens of milliseconds, and under load the
    default thresholds cause one every few seconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def _check_lease(settings: Settings, provider: ProviderSettings) -> None:
    if settings.lease < 2 * provider.call_timeout:
        raise Misconfigured(
            f"DISPATCHER_LEASE is {settings.lease} s, but a call to provider {provider.name!r} may take"
            f" {provider.call_timeout} s: the lease must be at least twice that"
        )


def _first_line(error: object) -> str:
    return str(error).strip().partition("\n")[0]


async def _follow_time(time: PostgresTime, *, known: bool) -> None:
    while True:
        await asyncio.sleep(INTERVAL.total_seconds() if known else _RETRY)
        known = await _sample(time)


async def _sample(time: PostgresTime) -> bool:
    """Sample the time of Postgres; return whether that succeeded."""
    try:
        await time.sample()
    except Unavailable as error:
        log.warning("time_not_sampled", error=str(error))
        return False
    return True


async def _follow_routes(ctx: Context) -> None:
    while True:
        await asyncio.sleep(_ROUTES)
        await _read_routes(ctx)


async def _write_failures(failures: FailureLog) -> None:
    while True:
        await asyncio.sleep(_FAILURES)
        await failures.write()


async def _read_routes(ctx: Context) -> None:
    """Load the newest route table; if it cannot be read, log that and keep the last one."""
    try:
        await routes.refresh(ctx)
    except (Unavailable, Misconfigured, DBAPIError) as error:  # the last: the tables are not migrated yet
        log.warning("routes_not_read", error=_first_line(error))
