"""Readiness answers within a second, whatever its peers do."""

import asyncio
from collections.abc import Callable
from functools import partial

from sqlalchemy import URL
from sqlalchemy.engine import make_url

from dispatcher.bootstrap import open_context
from dispatcher.service.health.readiness import Readiness, readiness
from dispatcher.settings import Settings
from tests.silent_proxy import Connect, silent_proxy

LATE_DATABASE = "the database has not answered for 0.5 seconds; try again"
LATE_REDIS = (
    "redis: has not answered for 0.5 seconds; messages wait for it in Postgres"
    " -> is it running, and is REDIS_URL right?"
)


def test_a_silent_postgres_is_a_fault_within_a_second(settings: Settings) -> None:
    url = make_url(settings.database_url.get_secret_value())
    socket = f"{url.query['host']}/.s.PGSQL.{url.query.get('port', 5432)}"

    def behind(port: int) -> Settings:
        query = {key: value for key, value in url.query.items() if key not in {"host", "port"}}
        return _changed(settings, "database_url", url.set(host="127.0.0.1", port=port, query=query))

    before, after = _readiness(partial(asyncio.open_unix_connection, socket), behind)
    assert LATE_DATABASE not in before.faults
    assert after.faults == (LATE_DATABASE,)
    assert not after.is_ready


def test_a_silent_redis_is_degraded_within_a_second(settings: Settings) -> None:
    url = make_url(settings.redis_url.get_secret_value())

    def behind(port: int) -> Settings:
        return _changed(settings, "redis_url", url.set(host="127.0.0.1", port=port))

    before, after = _readiness(partial(asyncio.open_connection, url.host, url.port), behind)
    assert LATE_REDIS not in before.degraded
    assert after.degraded == (LATE_REDIS,)
    assert after.is_ready


def _readiness(connect: Connect, behind: Callable[[int], Settings]) -> tuple[Readiness, Readiness]:
    """Return the readiness before and after the proxy goes silent; fail if the second takes a second."""

    async def story() -> tuple[Readiness, Readiness]:
        async with (
            silent_proxy(connect) as (proxy, port),
            open_context(behind(port), name="test") as ctx,
        ):
            before = await readiness(ctx)
            proxy.silence(for_new=True)
            try:
                after = await asyncio.wait_for(readiness(ctx), 1)
                # A second probe waits for the same check; it does not start another.
                assert after == await asyncio.wait_for(readiness(ctx), 1)
            finally:
                proxy.hear()
            return before, after

    return asyncio.run(story())


def _changed(settings: Settings, name: str, url: URL) -> Settings:
    return Settings.model_validate({**settings.model_dump(), name: url.render_as_string(hide_password=False)})
