"""The groups of messages that the demo sends, and the status in which each must end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from itertools import count

from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier

_NOW = timedelta()


class SubmitVia(Enum):
    """How a group is submitted."""

    HTTP = auto()  # through the SMS Scheduler API, which has no words for tier and not_after
    DIRECT = auto()  # as `dispatcher send` does


@dataclass(frozen=True, slots=True)
class DemoGroup:
    """
    Messages of one kind.

    `special` is the NN of numbers that end in 9900NN; None is delivered.
    `doubtful` messages may reach the network more than once. `silent`
    messages must have the event that reports the missing receipt.
    """

    name: str
    size: int
    tier: Tier
    via: SubmitVia
    end: Status
    special: str | None = None
    delay: timedelta = _NOW
    window: timedelta | None = None
    doubtful: bool = False
    silent: bool = False

    @property
    def is_withdrawn(self) -> bool:
        """Whether it is withdrawn as soon as it is submitted."""
        return self.end is Status.WITHDRAWN

    def may_be_settled(self, status: Status) -> bool:
        """Return whether this can be the last status of one of its messages."""
        return status is self.end or (status.is_final and status not in {Status.FAILED, Status.GAVE_UP})


def _in(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def _special(name: str, special: str, end: Status, *, size: int = 2, doubtful: bool = False) -> DemoGroup:
    return DemoGroup(name, size, Tier.STANDARD, SubmitVia.HTTP, end, special=special, doubtful=doubtful)


_LATER, _HANGS_UP = "39", "49"

GROUPS: Sequence[DemoGroup] = (
    DemoGroup("one-time passwords", 20, Tier.CRITICAL, SubmitVia.DIRECT, Status.RECEIVED),
    DemoGroup("alarms, at a set time", 10, Tier.CRITICAL, SubmitVia.DIRECT, Status.RECEIVED, delay=_in(6)),
    DemoGroup("order confirmations", 20, Tier.STANDARD, SubmitVia.HTTP, Status.RECEIVED),
    DemoGroup("reminders, at a set time", 20, Tier.STANDARD, SubmitVia.HTTP, Status.RECEIVED, delay=_in(5)),
    DemoGroup("a campaign", 201, Tier.BULK, SubmitVia.HTTP, Status.RECEIVED),
    DemoGroup(
        "deferred until too late",
        3,
        Tier.CRITICAL,
        SubmitVia.DIRECT,
        Status.EXPIRED,
        _LATER,
        window=_in(3.5),
    ),
    DemoGroup(
        "the same, less urgent", 3, Tier.STANDARD, SubmitVia.DIRECT, Status.EXPIRED, _LATER, window=_in(3.5)
    ),
    _special("deferred twice", "41", Status.RECEIVED, size=3),
    _special("deferred ten times", "42", Status.GAVE_UP),
    _special("no such number", "30", Status.INVALID_NUMBER),
    _special("blocked", "31", Status.BLOCKED),
    _special("expired at the provider", "32", Status.TOO_LATE),
    _special("phone away", "33", Status.UNREACHABLE),
    _special("undelivered", "38", Status.FAILED),
    _special("undelivered, then delivered", "53", Status.RECEIVED),
    _special("accepted, but the answer is lost", "43", Status.RECEIVED, doubtful=True),
    _special("accepted, then hung up on", "51", Status.RECEIVED, doubtful=True),
    _special("hung up on: sent again", _HANGS_UP, Status.RECEIVED, doubtful=True),
    DemoGroup(
        "the same, bulk: not sent again",
        2,
        Tier.BULK,
        SubmitVia.DIRECT,
        Status.GAVE_UP,
        _HANGS_UP,
        doubtful=True,
    ),
    DemoGroup("no receipt", 3, Tier.STANDARD, SubmitVia.HTTP, Status.SENT, "45", silent=True),
    DemoGroup("withdrawn", 3, Tier.STANDARD, SubmitVia.HTTP, Status.WITHDRAWN, delay=timedelta(hours=1)),
)

_ordinary = count()


def numbers(group: DemoGroup) -> Sequence[str]:
    """Return a number for each message; ordinary numbers are used only once."""
    if group.special is None:
        return [f"+254712{next(_ordinary):06}" for _ in range(group.size)]
    return [f"+2547{10 + n:02}9900{group.special}" for n in range(group.size)]
