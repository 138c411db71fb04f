"""Finds and checks free TCP ports."""

import errno
import secrets
import socket

from dispatcher.domain.errors import Misconfigured

LOOPBACK = "127.0.0.1"


# Below the ephemeral ports, which an outgoing connection might take before our server starts.
_RANGE = range(20_000, 32_000)
_TRIES = 100


def free_port(host: str = LOOPBACK) -> int:
    """Return a port that is free now; another process may still take it. Raises Misconfigured."""
    for _ in range(_TRIES):
        if is_free(host, number := secrets.choice(_RANGE)):
            return number
    raise Misconfigured(
        f"none of {_TRIES} ports tried between {_RANGE[0]} and {_RANGE[-1]} is free on {host}"
    )


def is_free(host: str, port: int) -> bool:
    """Return whether this process could listen on this port."""
    return _fault(host, port) is None


def require_free_port(host: str, port: int, what: str, *, option: str = "--port") -> None:
    """Raise Misconfigured if `what` could not listen on this port, with the option that chooses another."""
    fault = _fault(host, port)
    if fault is None:
        return
    if fault.errno == errno.EADDRINUSE:
        reason = f"port {port} on {host} is taken"
    else:
        reason = f"port {port} on {host} cannot be used ({fault.strerror})"
    raise Misconfigured(f"{reason}, and {what} needs it; choose another with {option}")


def _fault(host: str, port: int) -> OSError | None:
    with socket.socket(_family(host)) as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as the servers do: ports in TIME_WAIT count as free
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            return error
    return None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
