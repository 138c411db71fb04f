"""Which TCP ports can be had."""

import errno
import secrets
import socket

from dispatcher.domain.errors import Misconfigured

LOOPBACK = "127.0.0.1"


# Below the ports of outgoing connections: one of those might be taken before our server starts.
_OURS = range(20_000, 32_000)
_TRIES = 100


def free_port(host: str = LOOPBACK) -> int:
    """Return a free port, which another server may still take first. Raises Misconfigured."""
    for _ in range(_TRIES):
        if is_free(host, number := secrets.choice(_OURS)):
            return number
    raise Misconfigured(f"of {_TRIES} ports tried between {_OURS[0]} and {_OURS[-1]} none on {host} is free")


def is_free(host: str, port: int) -> bool:
    """Whether this process could listen there."""
    return _fault(host, port) is None


def require_free_port(host: str, port: int, what: str, *, option: str = "--port") -> None:
    """Raise Misconfigured if `what` could not listen there, with the option that chooses another port."""
    fault = _fault(host, port)
    if fault is None:
        return
    if fault.errno == errno.EADDRINUSE:
        reason = f"port {port} on {host} is taken"
    else:
        reason = f"port {port} on {host} cannot be had ({fault.strerror})"
    raise Misconfigured(f"{reason}, and {what} needs it; choose another with {option}")


def _fault(host: str, port: int) -> OSError | None:
    with socket.socket(_family(host)) as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # what the servers do: TIME_WAIT is no obstacle
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            return error
    return None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
