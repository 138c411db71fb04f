"""
What proxies report about a request: the client's address and the scheme. Only named peers are believed.

The headers are X-Forwarded-For and X-Forwarded-Proto, which every proxy can
write. Forwarded (RFC 7239) is not read: a proxy that writes the former passes on
whatever the client sent as the latter. The host is that of the Host header.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import structlog
from starlette.types import Scope

log = structlog.get_logger()

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_FOR, _SCHEME, _PREFIX = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-prefix"
_SIGNS = frozenset({_FOR, b"forwarded", b"x-real-ip", b"via"})
_SCHEMES = frozenset({"http", "https"})
_MOST_PROXIES = 16


class TrustedProxies:
    """
    The proxies whose reports are believed, by address.

    Each proxy appends its peer to the list, so the list is read from its end: the
    first address that is none of theirs is the client. Whatever stands before it
    may be the client's invention.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = tuple(networks)
        self._has_warned = False

    def resolve(self, scope: Scope) -> Scope:
        """Return the scope of a request as the client made it; as it came if its peer is not believed."""
        if not self.believes(scope):
            self._warn(scope)
            return scope
        client, scheme = self._client(scope), _last(scope, _SCHEME)[-1:]
        return {
            **scope,
            "client": scope["client"] if client is None else (str(client), 0),
            "scheme": scheme[0].lower() if scheme and scheme[0].lower() in _SCHEMES else scope["scheme"],
        }

    def believes(self, scope: Scope) -> bool:
        """Return whether the peer of a connection is one of these proxies."""
        peer = _peer(scope) if self._networks else None
        return peer is not None and self._is_trusted(peer)

    def removed(self, scope: Scope, prefix: str) -> bool:
        """Return whether one of these proxies reports that it has removed this prefix from the path."""
        reported = [part.rstrip("/") for part in _last(scope, _PREFIX)]
        return reported == [prefix] and self.believes(scope)

    def _client(self, scope: Scope) -> Address | None:
        """Return the address nearest to us that is no proxy's; an unreadable one ends the search."""
        client = None
        for text in reversed(_last(scope, _FOR)):
            address = read_address(text)
            if address is None:
                break
            client = address
            if not self._is_trusted(address):
                break
        return client

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def _warn(self, scope: Scope) -> None:
        """Say once that a proxy, which is never far, is not believed: all its clients count as one."""
        if self._has_warned or not _last(scope, _FOR):
            return
        peer = _peer(scope)
        if peer is not None and peer.is_private:
            self._has_warned = True
            log.warning("proxy_not_believed", peer=str(peer), setting="DISPATCHER_FORWARDED_ALLOW_IPS")


def came_through_proxy(scope: Scope) -> bool:
    """Return whether a request says that it came through a proxy, believed or not."""
    return any(name in _SIGNS for name, _ in scope["headers"])


def read_address(text: str) -> Address | None:
    """Return an address, which may have a port or brackets; None for anything else."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _peer(scope: Scope) -> Address | None:
    client = scope.get("client")
    return None if client is None else read_address(client[0])


def _last(scope: Scope, wanted: bytes) -> list[str]:
    """Return the last parts of a header that is a list; several headers are one list (RFC 9110, 5.3)."""
    joined = b",".join(value for name, value in scope["headers"] if name == wanted)
    parts = joined.decode("latin-1").rsplit(",", _MOST_PROXIES)[-_MOST_PROXIES:]
    return [part.strip() for part in parts] if joined else []
