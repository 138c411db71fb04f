"""
A callback: one POST to a producer's URL, its result, and the rules for which URLs may be called.

The URL comes from outside and is not trusted. Its text is checked when it is
submitted. The address that its host resolves to can only be checked when the
connection is made.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, Protocol
from urllib.parse import urlsplit

MAX_URL_LENGTH: Final = 2048

_PLAIN = re.compile(r"[\x21-\x5b\x5d-\x7e]+")  # printable ASCII without spaces and backslashes
_AUTHORITY = re.compile(
    r"(?:\[(?P<bracketed>[0-9a-f:.]+)\]|(?P<name>(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?))(?::(?P<port>[0-9]*))?",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_SPECIAL_4 = (
    IPv4Network("192.0.0.0/24"),  # protocol assignments: 192.0.0.9 is the nearest NAT itself
    IPv4Network("192.88.99.0/24"),  # the 6to4 relay
)
_SPECIAL_6 = (
    IPv6Network("2001::/23"),  # protocol assignments, with Teredo, which embeds an IPv4 address
    IPv6Network("3fff::/20"),  # documentation
)
"""Special addresses in the IANA registries that `is_global` of some Python versions takes to be global."""


@dataclass(frozen=True, slots=True)
class CallbackRequest:
    """One HTTP POST to a producer's URL."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CallbackReply:
    """
    The result of a call.

    `status` None means that there was no HTTP response. `reason` is a short
    text for people. `refused` means that the URL may not be called, so that a
    retry is useless.
    """

    status: int | None
    reason: str
    retry_after: timedelta | None = None
    refused: bool = False


class Poster(Protocol):
    """Makes calls. A network fault is a CallbackReply; an exception is a bug."""

    async def post(self, call: CallbackRequest) -> CallbackReply: ...  # noqa: D102 - see the class

    async def close(self) -> None: ...  # noqa: D102


def check_url(url: str, *, allow_private: bool, https_only: bool = False) -> str | None:
    """
    Return why this URL may not be called, or None if its text has no fault.

    Names are not resolved, so one that resolves to a private address passes.
    A URL that two parsers could read differently does not pass: with
    characters other than printable ASCII, with backslashes, or with an
    unusual spelling of an IPv4 address.
    """
    if len(url) > MAX_URL_LENGTH:
        return f"the URL has {len(url)} characters, more than {MAX_URL_LENGTH}"
    if not _PLAIN.fullmatch(url):
        return "the URL may contain only printable ASCII without spaces and backslashes; encode the rest"
    try:
        scheme, authority, *_ = urlsplit(url)
    except ValueError as error:
        return f"the URL cannot be read: {error}"
    if scheme not in ("http", "https"):
        return f"the URL must begin with https:// or http://, not with {scheme or 'no scheme'}"
    if https_only and scheme != "https":
        return "the URL must begin with https://"
    if not authority:
        return "the URL has no host"
    if "@" in authority:
        return "the URL may not contain a user name or a password"
    return _fault_of_authority(authority, allow_private=allow_private)


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


def _fault_of_authority(authority: str, *, allow_private: bool) -> str | None:
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None or len(parts["name"] or "") > 253:
        return f"the host or the port is not valid: {authority}"
    if parts["port"] and not 1 <= int(parts["port"]) <= 65_535:
        return f"the port {parts['port']} is not between 1 and 65535"
    if parts["bracketed"]:
        return _fault_of_address(parts["bracketed"], IPv6Address, allow_private=allow_private)
    last = parts["name"].lower().removesuffix(".").rpartition(".")[2]
    if _NUMBER.fullmatch(last):  # the URL Standard reads such a host as an address, not as a name
        return _fault_of_address(parts["name"], IPv4Address, allow_private=allow_private)
    if last == "localhost" and not allow_private:
        return f"the address {parts['name']} is private"
    return None


def _fault_of_address(
    address: str, kind: type[IPv4Address] | type[IPv6Address], *, allow_private: bool
) -> str | None:
    try:
        kind(address)
    except ValueError:
        return f"{address} is not an IP address in its usual form"
    return None if allow_private or is_public(address) else f"the address {address} is private"


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
