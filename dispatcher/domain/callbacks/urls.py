"""
The rules for the URLs that callbacks go to, the same wherever one is named.

A URL comes from outside and is not trusted. Its text is checked when it is
submitted, and again before each call. The address that its host resolves to
can only be checked when the connection is made.
"""

import re
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

MAX_URL_LENGTH: Final = 2048

_WEB_PORTS: Final = (80, 443)
_FIRST_FREE_PORT: Final = 1024  # below it are mail, SSH, DNS and the like, which a POST may confuse

_PLAIN = re.compile(r"[\x21-\x5b\x5d-\x7e]+")  # printable ASCII without spaces and backslashes
_AUTHORITY = re.compile(
    r"(?:\[(?P<bracketed>[0-9a-f:.]+)\]|(?P<name>(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?))(?::(?P<port>[0-9]*))?",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)
_PRIVATE_DOMAINS = frozenset({"localhost", "local", "internal"})  # RFC 6761, RFC 6762, ICANN 2024-07-29

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_SPECIAL_4 = (
    IPv4Network("192.0.0.0/24"),  # protocol assignments: 192.0.0.9 is the nearest NAT itself
    IPv4Network("192.88.99.0/24"),  # the 6to4 relay
    IPv4Network("168.63.129.16/32"),  # Azure's own services, from within any of its virtual machines
)
_SPECIAL_6 = (
    IPv6Network("2001::/23"),  # protocol assignments, with Teredo, which embeds an IPv4 address
    IPv6Network("3fff::/20"),  # documentation
)
"""Special addresses that `is_global` takes to be global: of the IANA registries, and of clouds."""


@dataclass(frozen=True, slots=True)
class UrlRules:
    """What the settings allow: addresses of private networks, and `http://`."""

    allow_private: bool = False
    https_only: bool = False

    def of_webhooks(self) -> "UrlRules":
        """Return the rules for webhooks, which need `https://` except in development."""
        return replace(self, https_only=self.https_only or not self.allow_private)


def check_url(url: str, rules: UrlRules) -> str | None:
    """
    Return why this URL may not be called, or None if its text has no fault.

    Names are not resolved, so one that resolves to a private address passes.
    A URL that two parsers could read differently does not pass: with
    characters other than printable ASCII, with backslashes, or with an
    unusual spelling of an IPv4 address. The reason never has the path or the
    query, which may be secret.
    """
    if len(url) > MAX_URL_LENGTH:
        return f"the URL has {len(url)} characters, more than {MAX_URL_LENGTH}"
    if not _PLAIN.fullmatch(url):
        return "the URL may contain only printable ASCII without spaces and backslashes; encode the rest"
    try:
        scheme, authority, *_ = urlsplit(url)
    except ValueError as error:
        return f"the URL cannot be read: {error}"
    if scheme not in ("https", "http"):
        return f"the URL must begin with {_schemes(rules)}, not with {scheme or 'no scheme'}"
    if rules.https_only and scheme != "https":
        return "the URL must begin with https://, not with http://"
    if not authority:
        return "the URL has no host"
    if "@" in authority:
        return "the URL may not contain a user name or a password"
    return _fault_of_authority(authority, rules)


def is_public(address: str) -> bool:
    """
    Return whether this is a public IP address; False for text that is not an address.

    An IPv6 address that embeds an IPv4 address (mapped, 6to4, NAT64) is
    checked by the IPv4 address. An operator's internal networks with public
    addresses, or with a NAT64 prefix of their own, cannot be recognized.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return _is_public_4(found) if isinstance(found, IPv4Address) else _is_public_6(found)


def _schemes(rules: UrlRules) -> str:
    return "https://" if rules.https_only else "https:// or http://"


def _fault_of_authority(authority: str, rules: UrlRules) -> str | None:
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None or len(parts["name"] or "") > 253:
        return f"the host or the port is not valid: {authority}"
    if parts["port"] and not _is_allowed_port(int(parts["port"])):
        return f"the port {parts['port']} may not be called: only 80, 443, and 1024 to 65535"
    if parts["bracketed"]:
        return _fault_of_address(parts["bracketed"], IPv6Address, rules)
    if not _is_name(parts["name"]):
        return f"the host {parts['name']} is not a valid name"
    *domains, last = parts["name"].lower().removesuffix(".").split(".")
    if _NUMBER.fullmatch(last):  # the URL Standard reads such a host as an address, not as a name
        return _fault_of_address(parts["name"], IPv4Address, rules)
    if not rules.allow_private and (not domains or last in _PRIVATE_DOMAINS):
        return f"the address {parts['name']} is private"
    return None


def _is_name(host: str) -> bool:
    """Whether a host can be looked up: it may not be Punycode of nothing (RFC 3490)."""
    try:
        host.encode("ascii").decode("idna")
    except UnicodeError:
        return False
    return True


def _is_allowed_port(port: int) -> bool:
    return port in _WEB_PORTS or _FIRST_FREE_PORT <= port <= 65_535


def _fault_of_address(
    address: str, kind: type[IPv4Address] | type[IPv6Address], rules: UrlRules
) -> str | None:
    try:
        kind(address)
    except ValueError:
        return f"{address} is not an IP address in its usual form"
    return None if rules.allow_private or is_public(address) else f"the address {address} is private"


def _is_public_4(address: IPv4Address) -> bool:
    return (
        address.is_global
        and not address.is_multicast
        and not any(address in network for network in _SPECIAL_4)
    )


def _is_public_6(address: IPv6Address) -> bool:
    if address.scope_id is not None:
        return False
    embedded = _embedded(address)
    if embedded is not None:
        return _is_public_4(embedded)
    return (
        address in _GLOBAL_UNICAST
        and address.is_global
        and not any(address in network for network in _SPECIAL_6)
    )


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped if address.ipv4_mapped is not None else address.sixtofour
