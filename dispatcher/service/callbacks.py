"""Telling producers what became of their messages: the outbox, worked off until each URL has it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from dispatcher.domain.outbox import Happening


class Signature(Enum):
    """How a callback proves whose it is."""

    STANDARD_WEBHOOKS = auto()
    TIMESTAMPED = auto()  # X-Timestamp and X-Signature


@dataclass(frozen=True, slots=True)
class Worded:
    """A callback in the words of its dialect."""

    body: Mapping[str, object]
    signature: Signature


Wording = Callable[[Happening], Worded]
