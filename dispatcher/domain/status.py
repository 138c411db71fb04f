"""
What became of a message: the status codes and the one table of moves between them.

The codes and their words are those of the SMS Scheduler document; 90 is ours.
"""

from enum import IntEnum, StrEnum


class Status(IntEnum):
    """The status of one message. Codes 14..19 and 34..37 do not exist and are never emitted."""

    SCHEDULED = 10  # accepted, its time has not come; release moves it to 11
    PENDING = 11  # due, waiting or going out; a worker's outcome or a sweep moves it on
    SENT = 12  # a provider accepted it; a receipt moves it on, or nobody
    RECEIVED = 13  # the handset has it
    NO_RECIPIENT = 20  # contact or number gone when its turn came
    NO_TEXT = 21  # text empty when its turn came
    INVALID_TEXT = 22  # cannot be rendered, encoded, or is too long
    NO_SENDER = 23  # the account has no sender to use
    INVALID_SENDER = 24  # the sender is disabled, or not allowed in that country
    NO_CREDIT = 25  # not enough credits
    OPTED_OUT = 26  # the number must not be written to
    EXPIRED = 27  # not_after passed before any provider accepted it
    NO_ROUTE = 28  # no provider serves that country
    INTERNAL_ERROR = 29  # a fault of ours before hand-over
    INVALID_NUMBER = 30  # the provider says the number is not one
    BLOCKED = 31  # opted out or blocked at the provider or carrier
    TOO_LATE = 32  # expired after a provider had it
    UNREACHABLE = 33  # the provider says the phone or its network is away
    FAILED = 38  # refused or undelivered, reason unknown
    GAVE_UP = 39  # "later" too often, or in doubt at the end
    WITHDRAWN = 90  # taken back by the caller before it went out

    @property
    def is_final(self) -> bool:
        """Whether nothing moves it on any more, but for a late delivery receipt."""
        return self > Status.SENT

    @property
    def is_refunded(self) -> bool:
        """Whether the credits go back: no provider ever had it."""
        return 20 <= self <= 29 or self is Status.WITHDRAWN

    @property
    def is_missed(self) -> bool:
        """Whether it was handed over, or tried, and lost."""
        return 30 <= self <= 39


class Place(StrEnum):
    """Where a message is between accept and final; `wake_at` says when the clock looks again."""

    HELD = "held"  # waits for its time, its next try or a token; release moves it
    READY = "ready"  # due, waits for room in its lane; fill moves it
    LANE = "lane"  # its id is in Redis; a claim, or requeue, moves it
    WORKER = "worker"  # the request is going out now; record, or rescue, moves it


CANCELLED = frozenset(status for status in Status if 20 <= status <= 29)
MISSED = frozenset(status for status in Status if status.is_missed)
LATE_DELIVERY_RAISES = frozenset({Status.TOO_LATE, Status.FAILED, Status.GAVE_UP})

BIRTHS = frozenset(
    {
        Status.SCHEDULED,
        Status.PENDING,
        Status.NO_TEXT,
        Status.INVALID_TEXT,
        Status.NO_SENDER,
        Status.INVALID_SENDER,
        Status.NO_CREDIT,
        Status.OPTED_OUT,
        Status.EXPIRED,
        Status.NO_ROUTE,
    }
)

MOVES: dict[Status, frozenset[Status]] = {
    Status.SCHEDULED: CANCELLED | {Status.PENDING, Status.WITHDRAWN},
    Status.PENDING: CANCELLED | MISSED | {Status.SENT, Status.WITHDRAWN},
    Status.SENT: MISSED | {Status.RECEIVED},
    **{status: frozenset({Status.RECEIVED}) for status in LATE_DELIVERY_RAISES},
}


def may_move(old: Status, new: Status) -> bool:
    """Tell whether the table allows this move; a final status allows none but a late delivery."""
    return new in MOVES.get(old, frozenset())
