"""The API of one process: the dialects, the management, the receipts and the health, behind one front."""

from functools import partial

from dispatcher.api import health, manage, receipts
from dispatcher.api.dialects import emess, emsgnow, formpost, scheduler, smsgate
from dispatcher.api.door import Door
from dispatcher.api.front import Front
from dispatcher.api.overview import overview
from dispatcher.api.runtime import open_runtime
from dispatcher.domain.errors import Misconfigured
from dispatcher.service.context import Context
from dispatcher.settings import Settings, load_settings

DIALECTS: tuple[Door, ...] = (
    emess.door,
    emsgnow.door,
    formpost.door,
    scheduler.door,
    smsgate.door,
)
"""A dialect is one file and one entry here."""


def create_app(settings: Settings | None = None, *, context: Context | None = None) -> Front:
    """
    Build the ASGI application; nothing is opened before the server starts it.

    Without settings they are read from the environment, so that this is a
    factory for `uvicorn --factory`. A `context` that is open already is used
    and left open. Raises Misconfigured.
    """
    settings = settings or load_settings()
    doors = [*_enabled(settings), manage.door]
    wordings = {door.name: door.wording for door in doors if door.wording is not None}
    arrivals = {door.name: door.arrival for door in doors if door.arrival is not None}
    return Front(
        [*doors, receipts.door, health.door, overview(doors, settings.dialect_prefixes)],
        partial(open_runtime, settings, context, wordings=wordings, arrivals=arrivals),
        body_limit=settings.body_limit,
        bulk_body_limit=settings.bulk_body_limit,
        prefixes=settings.dialect_prefixes,
    )


def _enabled(settings: Settings) -> list[Door]:
    known = {door.name for door in DIALECTS}
    for name, given in [
        ("DISPATCHER_DISABLED_DIALECTS", settings.disabled_dialects),
        ("DISPATCHER_DIALECT_PREFIXES", settings.dialect_prefixes.keys()),
    ]:
        if unknown := sorted(set(given) - known):
            raise Misconfigured(f"{name} names {unknown}; there are {sorted(known)}")
    return [door for door in DIALECTS if door.name not in settings.disabled_dialects]
