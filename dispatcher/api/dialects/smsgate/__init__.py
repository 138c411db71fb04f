"""
Dialect: SMS Gateway third-party API, under /api/3rdparty/v1 and /3rdparty/v1.

Basic or Bearer; errors are {"message": ..., "code": ...}. It is the
document's, and that of the public program behind it ("upstream"), whose
clients send, follow and cancel here unchanged. `docs/dialects/smsgate.md` lists
what was decided between the two.
"""

from dispatcher.api.dialect import Dialect
from dispatcher.api.dialects.smsgate import (
    catalog,
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

BASES = ("/api/3rdparty/v1", "/3rdparty/v1")
"""The document's path, and upstream's on a public host. Only the first is documented."""

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
operations.include(catalog.operations)

dialect = Dialect(
    NAME,
    title="SMS Gateway",
    description=openapi_examples.DESCRIPTION,
    mounts=(*(MountPoint(base) for base in BASES), MountPoint(catalog.PATH)),
    envelope=envelope,
    operations=operations,
    docs=BASES[0],
    catalog=catalog.PATH,
    challenge='Basic realm="SMS Gateway", Bearer',
    event_formatter=webhooks.wording,
    inbound_formatter=webhooks.arrival,
)
