"""What a message waits for, and what it waited for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class WaitKind(StrEnum):
    """The thing that a message waits for. A message whose own time has not come does not wait."""

    TURN = "turn"  # it is due, and the clock has not released it yet
    ROOM = "room"  # room in its lane
    WORKER = "worker"  # a worker that takes it from its lane
    HOURS = "hours"  # its allowed hours
    PROVIDER = "provider"  # a provider of its route that accepts messages; the detail is `barred_detail`
    TOKEN = "token"  # noqa: S105  # a token of the provider in the detail
    SLOT = "slot"  # a free connection to the provider in the detail
    ANSWER = "answer"  # the answer of the provider in the detail
    RETRY = "retry"  # the next try; the detail is the number of the last one
    CAMPAIGN = "campaign"  # its campaign, which is paused


SHORTEST = timedelta(seconds=1)
"""A shorter wait is none, and is not kept."""

MOST_KEPT = 50
"""How many waits of one message are kept: the latest."""


@dataclass(frozen=True, slots=True)
class Wait:
    """One wait of a message; `until` is None while it lasts."""

    kind: WaitKind
    detail: str
    since: datetime
    until: datetime | None = None


def barred_detail(states: list[tuple[str, str]]) -> str:
    """Return the detail of a wait for a provider, from the name and the state of each."""
    return "\n".join(f"{name} {state}" for name, state in states)


def barred_states(detail: str) -> list[tuple[str, str]]:
    """Return the name and the state of each provider in the detail of a wait."""
    return [(name, state) for name, _, state in (line.partition(" ") for line in detail.split("\n"))]
