"""Statuses as the commands print them: the names of docs/status.md."""

from dispatcher.domain.messages.status import Status


def status_label(status: Status) -> str:
    """Return a status as number and name: "13 Received"."""
    return f"{status.value} {status.name.replace('_', ' ').capitalize()}"
