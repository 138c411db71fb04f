"""A status as a person reads it: the names of docs/status.md."""

from dispatcher.domain.status import Status


def title(status: Status) -> str:
    """Write "13 Received"."""
    return f"{status.value} {status.name.replace('_', ' ').capitalize()}"
