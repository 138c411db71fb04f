"""The routes of this dialect, and the dialect itself."""

from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.dialect import Dialect
from dispatcher.api.dialects.smsgate import (
    devices,
    health,
    inbox,
    messages,
    openapi_examples,
    settings,
    tokens,
    webhooks,
)
from dispatcher.api.dialects.smsgate.auth import NAME
from dispatcher.api.dialects.smsgate.mapping import envelope
from dispatcher.api.operations import MountPoint, Operations
from dispatcher.api.request_body import Json

BASES = ("/api/3rdparty/v1", "/3rdparty/v1")
"""The document's path, and upstream's on a host of its own. Only the first is documented."""

_CATALOG = "/.well-known/api-catalog"
_LINKSET = 'application/linkset+json; profile="https://www.rfc-editor.org/info/rfc9727"'

# The first path is the documented one; the others are those of older clients.
_PARTS = (
    (("/messages/inbox", "/message/inbox", "/inbox"), inbox.export_operations),
    (("/messages", "/message"), messages.operations),
    (("/devices", "/device"), devices.operations),
    (("/webhooks",), webhooks.operations),
    (("/settings",), settings.operations),
    (("/auth",), tokens.operations),
    (("",), inbox.operations),
    (("/health",), health.operations),
)

operations = Operations()
for _base in BASES:
    for _paths, _part in _PARTS:
        for _path in _paths:
            is_documented = _base == BASES[0] and _path == _paths[0]
            operations.include(_part, prefix=_base + _path, is_documented=is_documented)


@operations.add("GET", _CATALOG, is_documented=False)
async def catalog(request: Request) -> Response:
    """Return the API catalogue (RFC 9727), to which every response links; it needs no authentication."""
    base = request.scope.get("root_path", "") + BASES[0]
    links = {
        "anchor": base,
        "service-desc": [{"href": f"{base}/openapi.json", "type": "application/json"}],
        "service-doc": [{"href": f"{base}/docs", "type": "text/html"}],
        "status": [{"href": f"{base}/health/ready", "type": "application/json"}],
    }
    return Json({"linkset": [links]}, media_type=_LINKSET)


dialect = Dialect(
    NAME,
    title="SMS Gateway",
    description=openapi_examples.DESCRIPTION,
    mounts=(*(MountPoint(base) for base in BASES), MountPoint(_CATALOG)),
    envelope=envelope,
    operations=operations,
    docs=BASES[0],
    catalog=_CATALOG,
    challenge='Basic realm="SMS Gateway", Bearer',
    event_formatter=webhooks.format_event,
    inbound_formatter=webhooks.format_inbound,
)
