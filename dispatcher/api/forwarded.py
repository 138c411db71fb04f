"""What proxies report about a request: the client's address, the scheme and the host. Only named peers are believed."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.types import Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_SCHEMES = frozenset({"http", "https"})
_HEADERS = (b"x-forwarded-for", b"forwarded", b"x-real-ip", b"via")
_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_PAIR = re.compile(r'\s*([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^;,"\s]*))\s*(?:;|\Z)')
_ELEMENT = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')


@dataclass(frozen=True, slots=True)
class _Hop:
    """What one proxy reports: its peer, and the scheme and the host that this peer used; "" if it does not say."""

    client: str
    scheme: str = ""
    host: str = ""


class TrustedProxies:
    """
    The proxies whose reports are believed, by address.

    Each proxy appends its peer to the list, so the list is read from its end: the
    first address that is none of ours is the client. Whatever stands before it
    may be the client's invention.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = tuple(networks)

    def resolve(self, scope: Scope) -> Scope:
        """Return the scope of a request as the client made it; from any other peer as it came."""
        if not self.believes(scope):
            return scope
        hops = [*_read(scope)]
        if not hops:
            return scope
        client, nearest = scope["client"], hops[-1]
        found = nearest
        for hop in reversed(hops):
            address = _address(hop.client)
            if address is None:
                break  # the proxy does not know, or somebody wrote nonsense: the last hop that is known counts
            client, found = (str(address), 0), hop
            if not self._is_trusted(address):
                break
        scheme, host = found.scheme or nearest.scheme, found.host or nearest.host
        return _changed(scope, client, scheme=scheme, host=host)

    def believes(self, scope: Scope) -> bool:
        """Return whether the peer of a connection is one of these proxies."""
        if not self._networks or scope.get("client") is None:
            return False
        peer = _address(scope["client"][0])
        return peer is not None and self._is_trusted(peer)

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def is_forwarded(scope: Scope) -> bool:
    """Return whether a request says that it came through a proxy, believed or not."""
    return any(name in _HEADERS for name, _ in scope["headers"])


def is_loopback(scope: Scope) -> bool:
    """Return whether a request comes from this machine, and not through a proxy on it."""
    client = scope.get("client")
    address = None if client is None else _address(client[0])
    return address is not None and address.is_loopback and not is_forwarded(scope)


def _read(scope: Scope) -> Iterator[_Hop]:
    """
    Yield the hops from the client on.

    X-Forwarded-For comes before Forwarded: most proxies write only the former and
    pass on whatever Forwarded the client sent.
    """
    addresses = _values(scope, b"x-forwarded-for")
    schemes, hosts = _values(scope, b"x-forwarded-proto"), _values(scope, b"x-forwarded-host")
    if addresses or schemes or hosts:
        scheme = _scheme(schemes[-1]) if schemes else ""
        host = _host(hosts[-1]) if hosts else ""
        for address in addresses or [""]:
            yield _Hop(address, scheme, host)
        return
    for value in (value for name, value in scope["headers"] if name == b"forwarded"):
        for element in _ELEMENT.findall(value.decode("latin-1")):
            yield _element(element)


def _element(text: str) -> _Hop:
    """Return an element of Forwarded (RFC 7239); one that cannot be read names nobody."""
    pairs: dict[str, str] = {}
    position = 0
    while position < len(text):
        if (found := _PAIR.match(text, position)) is None:
            return _Hop("")
        name, quoted, token = found.groups()
        pairs[name.lower()] = token if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        position = found.end()
    return _Hop(pairs.get("for", ""), _scheme(pairs.get("proto", "")), _host(pairs.get("host", "")))


def _values(scope: Scope, wanted: bytes) -> list[str]:
    """Return the parts of a header that is a list; several headers are one list (RFC 9110, 5.3)."""
    joined = b",".join(value for name, value in scope["headers"] if name == wanted).decode("latin-1")
    return [value.strip() for value in joined.split(",")] if joined.strip() else []


def _address(text: str) -> Address | None:
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


def _scheme(text: str) -> str:
    return text.lower() if text.lower() in _SCHEMES else ""


def _host(text: str) -> str:
    return text if _HOST.fullmatch(text) else ""


def _changed(scope: Scope, client: tuple[str, int], *, scheme: str, host: str) -> Scope:
    headers = scope["headers"]
    if host:
        others = [(name, value) for name, value in headers if name != b"host"]
        headers = [(b"host", host.encode("latin-1")), *others]
    return {**scope, "client": client, "scheme": scheme or scope["scheme"], "headers": headers}
