"""Statuses in words: the names of docs/status.md."""

from dispatcher.domain.messages.status import Status


def status_label(status: Status) -> str:
    """Return a status as in "13 Received"."""
    return f"{status.value} {status.name.replace('_', ' ').capitalize()}"
