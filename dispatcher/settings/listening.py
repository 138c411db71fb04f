"""Settings of where the API listens and what is in front of it: read, and checked at start."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

_ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_LISTEN = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_OFF = "off"


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """An address and a port to listen on."""

    host: str
    port: int


def read_networks(value: str | None) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the networks of a comma-separated list. Raises ValueError."""
    return tuple(_network(part.strip()) for part in (value or "").split(",") if part.strip())


def check_networks(value: str) -> str:
    """Return a list of networks that can be read. Raises ValueError."""
    read_networks(value)
    return value


def check_root_path(value: str) -> str:
    """Return a root path without a slash at its end; "" for none. Raises ValueError."""
    path = value.rstrip("/")
    if path and (not _ROOT_PATH.fullmatch(path) or {".", ".."} & set(path.split("/"))):
        raise ValueError(f"{value!r} is not a path like /sms")
    return path


def check_listen(value: str) -> str:
    """Return an address that can be read, or "off". Raises ValueError."""
    read_listen(value)
    return value


def read_listen(value: str | None) -> ListenAddress | None:
    """Return the address to listen on; None for "off" and for none. Raises ValueError."""
    if not value or value == _OFF:
        return None
    found = _LISTEN.fullmatch(value)
    if not found or not 1 <= int(found[2]) <= 65535:
        raise ValueError(f"{value!r} is neither an address and port, like 127.0.0.1:8081, nor {_OFF!r}")
    return ListenAddress(found[1].strip("[]"), int(found[2]))


def _network(text: str) -> IPv4Network | IPv6Network:
    if text == "*" or text.endswith("/0"):
        raise ValueError(f"{text!r} would believe everybody: name the addresses or networks of your proxies")
    try:
        return ip_network(text)
    except ValueError as error:
        why = f" ({error})" if "host bits" in str(error) else ""
        raise ValueError(f"{text!r} is no IP address or network, like 127.0.0.1 or 10.0.0.0/8{why}") from None
