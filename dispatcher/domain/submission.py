"""What a producer hands in, and what it gets back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from uuid import UUID

from dispatcher.domain.errors import Invalid
from dispatcher.domain.msisdn import NumberPolicy
from dispatcher.domain.status import Status
from dispatcher.domain.tier import Tier
from dispatcher.domain.window import Window


class WithoutCredit(Enum):
    """What to do when the balance does not cover a submission."""

    REFUSE = auto()  # keep nothing, say so
    KEEP = auto()  # keep the rows, born 25, uncharged


@dataclass(frozen=True, slots=True)
class Account:
    """A tenant, as the use cases need it."""

    id: int
    name: str
    balance: int
    default_country: str | None
    timezone: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, through which dialect. Ids stay inside an account and a dialect."""

    account: Account
    dialect: str


@dataclass(frozen=True, slots=True)
class Submission:
    """
    One text to one or many numbers, as a caller means it.

    `tier` None lets the number of recipients decide: standard, and bulk
    above 200. `stop_mention` is appended to the text before it is counted.
    Without `not_after` the window is as long as the account says for the
    tier, else `default_validity`, else as long as the tier says. Raises
    Invalid for a time without a zone.
    """

    recipients: Sequence[str]
    text: str
    numbers: NumberPolicy
    tier: Tier | None = None
    sender_id: int | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    default_validity: timedelta | None = None
    strip_diacritics: bool = False
    stop_mention: bool = False
    without_credit: WithoutCredit = WithoutCredit.REFUSE

    def __post_init__(self) -> None:
        for field in ("not_before", "not_after"):
            at = getattr(self, field)
            if at is not None and at.utcoffset() is None:
                raise Invalid(f"{field} needs a time zone, got {at.isoformat(' ')} without one")


@dataclass(frozen=True, slots=True)
class AcceptedMessage:
    """One row that was kept, with the number as the caller wrote it."""

    id: int
    public_id: UUID
    number_as_given: str
    status: Status


@dataclass(frozen=True, slots=True)
class AcceptedBatch:
    """What a submission became. The messages are in the order of the recipients."""

    id: int
    public_id: UUID
    tier: Tier
    messages: Sequence[AcceptedMessage]
    charged: int
    window: Window
