"""
The statuses of a message, and the one table of transitions between them.

The codes and their words are those of the SMS Scheduler document; 90 is ours.
The store renders its SQL from what is here, and a test runs each statement
against each status to see that it makes no other transition.
"""

from enum import IntEnum, StrEnum


class Status(IntEnum):
    """
    The status of one message. Codes 14..19 and 34..37 do not exist and are never emitted.

    `docs/status.md` says what each status means, what ends it, and which status follows.
    """

    # Accepted for later. Release moves it to 11 when its time comes, expire to 27 at not_after, a withdrawal
    # to 90.
    SCHEDULED = 10
    # Due: it waits, or a worker is sending it. The provider's answer moves it to 12 or to 30..39; a worker to
    # 20..29 when it cannot be sent; expire to 27 or 39 at not_after; a withdrawal to 90.
    PENDING = 11
    # A provider accepted it. A receipt moves it to 13 or to 30..39; without a receipt it stays.
    SENT = 12
    RECEIVED = 13  # the handset has it

    # Cancelled: no provider ever had it.
    NO_RECIPIENT = 20  # the contact or number is gone when its turn comes
    NO_TEXT = 21  # the text is empty when its turn comes
    INVALID_TEXT = 22  # the text cannot be rendered or encoded, or is too long
    NO_SENDER = 23  # the account has no sender to use
    INVALID_SENDER = 24  # the sender is disabled, or not allowed in that country
    NO_CREDIT = 25  # the account has not enough credits
    OPTED_OUT = 26  # the number has opted out
    EXPIRED = 27  # not_after passed before a provider accepted it, or comes before its allowed hours open
    NO_ROUTE = 28  # no provider serves that country
    INTERNAL_ERROR = 29  # a fault of ours before the hand-over

    # Missed: it was handed over, or tried, and did not arrive.
    INVALID_NUMBER = 30  # the provider says that the number is not one
    BLOCKED = 31  # opted out or blocked at the provider or carrier
    TOO_LATE = 32  # it expired after a provider had it; a late receipt "delivered" moves it to 13
    UNREACHABLE = 33  # the provider says that the phone or its network is away
    FAILED = 38  # refused or undelivered, reason unknown; a late receipt "delivered" moves it to 13
    GAVE_UP = 39  # "later" too often, or in doubt at the end; a late receipt "delivered" moves it to 13

    WITHDRAWN = 90  # the caller withdrew it before it went out

    @property
    def is_final(self) -> bool:
        """Whether nothing but a late delivery receipt changes the status any more."""
        return self > Status.SENT

    @property
    def is_refunded(self) -> bool:
        """Whether the credits go back: no provider ever had the message."""
        return 20 <= self <= 29 or self is Status.WITHDRAWN

    @property
    def is_missed(self) -> bool:
        """Whether the message was handed over, or tried, and did not arrive."""
        return 30 <= self <= 39


class Place(StrEnum):
    """
    Where an open message waits. A message in any other status has no place.

    `wake_at` says when the clock looks at it again.
    """

    # It waits for its time, its next try, a token or a provider. Release moves it to ready or to its lane.
    HELD = "held"
    # It is due and waits for room in its lane. Fill moves it to the lane; a new window may hold it again.
    READY = "ready"
    # Its id is in Redis. A worker claims it, or holds it until it can be sent; requeue moves it to ready.
    LANE = "lane"
    # A worker is sending it. The record of the outcome ends it or holds it for the next try; rescue does so
    # if the worker dies, and a receipt that comes first ends it.
    WORKER = "worker"


CANCELLED = frozenset(status for status in Status if 20 <= status <= 29)
MISSED = frozenset(status for status in Status if status.is_missed)
REFUNDED = frozenset(status for status in Status if status.is_refunded)
OPEN = frozenset({Status.SCHEDULED, Status.PENDING})
"""The statuses of messages that have a place."""
AWAITING_RECEIPT = frozenset({Status.PENDING, Status.SENT})
"""The statuses that any receipt can change: a provider has the message, or may have it."""
LATE_DELIVERY_RAISES = frozenset({Status.TOO_LATE, Status.FAILED, Status.GAVE_UP})
"""The final statuses that a late delivery receipt changes."""

INITIAL = frozenset(
    {
        Status.SCHEDULED,
        Status.PENDING,
        # Refused at accept, with a row that says why:
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
"""The statuses that a new message can have."""

# Texts and credits are looked at only when a message is accepted.
_CANCELLED_WHEN_DUE = CANCELLED - {Status.NO_TEXT, Status.INVALID_TEXT, Status.NO_CREDIT}

TRANSITIONS: dict[Status, frozenset[Status]] = {
    **{status: frozenset() for status in Status},
    Status.SCHEDULED: frozenset({Status.PENDING, Status.EXPIRED, Status.WITHDRAWN}),
    Status.PENDING: _CANCELLED_WHEN_DUE | MISSED | {Status.SENT, Status.WITHDRAWN},
    Status.SENT: MISSED | {Status.RECEIVED},
    **{status: frozenset({Status.RECEIVED}) for status in LATE_DELIVERY_RAISES},
}
"""Which statuses can follow each status."""

INITIAL_PLACES = frozenset({Place.HELD, Place.READY, Place.LANE})
"""The places that a new message can have, unless it is refused."""

PLACE_TRANSITIONS: dict[Place, frozenset[Place | None]] = {
    Place.HELD: frozenset({Place.READY, Place.LANE, None}),
    Place.READY: frozenset({Place.LANE, Place.HELD, None}),
    Place.LANE: frozenset({Place.WORKER, Place.READY, Place.HELD, None}),
    Place.WORKER: frozenset({Place.HELD, None}),
}
"""Which places can follow each place; None is no place, and nothing follows it."""
