"""
Connections to public addresses only, whatever a host name resolves to.

A host is looked up once for each connection. All of its addresses are checked,
and the connection goes to one of them: no second look-up can return another
address (DNS rebinding). aiohttp does not pass a literal address to the resolver,
so the address is checked again when the socket is created.
"""

import socket
from datetime import timedelta
from ipaddress import IPv6Address, ip_address

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult

from dispatcher.callbacks.look_ups import LookUps
from dispatcher.domain.callbacks.urls import is_public

_KEEP_ALIVE = timedelta(seconds=4)  # shorter than the 5 s after which many servers hang up

_AddrInfo = tuple[int, int, int, str, tuple[object, ...]]


class PrivateAddress(aiohttp.ClientError):
    """The host has an address that is not public."""


def open_connector(
    look_up: LookUps, *, allow_private: bool, max_connections: int, max_per_host: int
) -> aiohttp.TCPConnector:
    """
    Return a new connection pool for the running loop.

    Look-ups and connections raise PrivateAddress for an address that is not
    public, unless `allow_private`. Certificates are verified, and the
    environment (SSL_CERT_FILE and the like) is ignored.
    """
    return aiohttp.TCPConnector(
        limit=max_connections,
        limit_per_host=max_per_host,
        keepalive_timeout=_KEEP_ALIVE.total_seconds(),
        use_dns_cache=False,
        resolver=_Resolver(look_up, allow_private=allow_private),
        socket_factory=None if allow_private else _public_socket,
        ssl=httpx.create_ssl_context(trust_env=False),
    )


class _Resolver(AbstractResolver):
    """Resolves a host if all of its addresses are public."""

    def __init__(self, look_up: LookUps, *, allow_private: bool) -> None:
        self._look_up = look_up
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = await self._look_up(host, port)
        if not addresses:
            raise OSError(f"{host} has no address")
        if not self._allow_private and not all(map(is_public, addresses)):
            # The address itself is not shown: it may reveal our network to a producer.
            raise PrivateAddress(f"the host {host} has a private address")
        return [_resolved(host, address, port=port) for address in addresses]

    async def close(self) -> None:
        pass


def _resolved(host: str, address: str, *, port: int) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET6 if isinstance(ip_address(address), IPv6Address) else socket.AF_INET,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )


def _public_socket(info: _AddrInfo) -> socket.socket:
    family, kind, protocol, _, (address, *_) = info
    if not is_public(str(address)):
        raise PrivateAddress(f"the address {address} is private")
    return socket.socket(family, kind, protocol)
