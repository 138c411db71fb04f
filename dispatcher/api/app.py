"""The API of one process: the dialects, management, receipts and health, behind one router."""

from functools import partial

from dispatcher.api import health, manage, receipts
from dispatcher.api.dialect import Dialect
from dispatcher.api.dialects import emess, emsgnow, formpost, scheduler, smsgate
from dispatcher.api.pages.overview import overview
from dispatcher.api.proxies.forwarded import TrustedProxies
from dispatcher.api.router import Router
from dispatcher.api.runtime import open_runtime
from dispatcher.domain.errors import Misconfigured
from dispatcher.service.context import Context
from dispatcher.settings import Settings, load_settings
from dispatcher.settings.listening import read_networks

DIALECTS: tuple[Dialect, ...] = (
    emess.dialect,
    emsgnow.dialect,
    formpost.dialect,
    scheduler.dialect,
    smsgate.dialect,
)
"""All dialects: each is a package, and an entry here."""


def create_app(settings: Settings | None = None, *, context: Context | None = None) -> Router:
    """
    Return the ASGI application, which opens nothing before the server starts it.

    Without `settings` it reads them from the environment, as `uvicorn --factory`
    needs it. A `context` that is passed in stays open when the application ends. Raises
    Misconfigured.
    """
    settings = settings or load_settings()
    dialects, operators = _enabled(settings), [manage.management]
    apis = [*dialects, *operators]
    events = {api.name: api.event_formatter for api in apis if api.event_formatter is not None}
    inbound = {api.name: api.inbound_formatter for api in apis if api.inbound_formatter is not None}
    prefixes = settings.dialect_prefixes
    shown = dialects if settings.manage_listen else apis
    return Router(
        [*shown, receipts.app, health.app, overview(shown, prefixes)],
        partial(open_runtime, settings, context, event_formatters=events, inbound_formatters=inbound),
        body_limit=settings.body_limit,
        bulk_body_limit=settings.bulk_body_limit,
        prefixes=prefixes,
        management=[*operators, health.app, overview(operators, prefixes)],
        proxies=TrustedProxies(read_networks(settings.forwarded_allow_ips)),
        root_path=settings.public_path,
    )


def _enabled(settings: Settings) -> list[Dialect]:
    known = {dialect.name for dialect in DIALECTS}
    for setting, names in [
        ("DISPATCHER_DISABLED_DIALECTS", settings.disabled_dialects),
        ("DISPATCHER_DIALECT_PREFIXES", settings.dialect_prefixes.keys()),
    ]:
        if unknown := sorted(set(names) - known):
            raise Misconfigured(f"{setting} names unknown dialects {unknown}; choose from {sorted(known)}")
    return [dialect for dialect in DIALECTS if dialect.name not in settings.disabled_dialects]
