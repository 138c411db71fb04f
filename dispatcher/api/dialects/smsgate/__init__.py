"""
Dialect: SMS Gateway third-party API, under /api/3rdparty/v1 and /3rdparty/v1.

Basic or Bearer; errors are {"message": ..., "code": ...}. It is the
document's, and that of the public program behind it ("upstream"), whose
clients send, follow and cancel here unchanged. What was decided between the
two is told in `docs/dialects/smsgate.md`.
"""

from fastapi import APIRouter
from fastapi.routing import APIRoute

from dispatcher.api.dialects.smsgate import (
    catalog,
    devices,
    health,
    inbox,
    messages,
    samples,
    settings,
    tokens,
    webhooks,
)
from dispatcher.api.dialects.smsgate.access import NAME
from dispatcher.api.dialects.smsgate.words import envelope
from dispatcher.api.door import Claim, Door

BASES = ("/api/3rdparty/v1", "/3rdparty/v1")
"""The document's path, and upstream's on a public host. Only the first is described."""

door = Door(
    NAME,
    title="SMS Gateway",
    description=samples.DESCRIPTION,
    claims=(*(Claim(base) for base in BASES), Claim(catalog.PATH)),
    envelope=envelope,
    docs=BASES[0],
    catalog=catalog.PATH,
    challenge='Basic realm="SMS Gateway", Bearer',
    wording=webhooks.wording,
    arrival=webhooks.arrival,
)

# The first path is the one described; the others are what older clients call. A path that takes any
# id comes after those that are longer than it.
_ROUTES = (
    (("/messages/inbox", "/message/inbox", "/inbox"), inbox.export_router),
    (("/messages", "/message"), messages.router),
    (("/devices", "/device"), devices.router),
    (("/webhooks",), webhooks.router),
    (("/settings",), settings.router),
    (("/auth",), tokens.router),
    (("",), inbox.router),
    (("/health",), health.router),
)


def _add(router: APIRouter, prefix: str, *, is_described: bool) -> None:
    """Add a router's routes one by one: the door names the methods of its own routes in a 405."""
    for route in router.routes:
        assert isinstance(route, APIRoute)
        door.app.add_api_route(
            prefix + route.path,
            route.endpoint,
            methods=sorted(route.methods or ()),
            tags=route.tags,
            summary=route.summary,
            status_code=route.status_code,
            responses=route.responses,
            deprecated=route.deprecated,
            include_in_schema=is_described,
            openapi_extra=route.openapi_extra,
        )


for _base in BASES:
    for _paths, _router in _ROUTES:
        for _path in _paths:
            _add(_router, _base + _path, is_described=_base == BASES[0] and _path == _paths[0])
_add(catalog.router, catalog.PATH, is_described=False)
