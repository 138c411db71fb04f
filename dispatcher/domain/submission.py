"""What a producer hands in, and what it gets back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from uuid import UUID

from dispatcher.domain.errors import Invalid
from dispatcher.domain.msisdn import NumberPolicy
from dispatcher.domain.status import Status
from dispatcher.domain.tier import Tier
from dispatcher.domain.window import Window


class InvalidNumbers(Enum):
    """What to do with recipients that are no phone numbers."""

    REFUSE = auto()  # the whole submission, each of them named
    SKIP = auto()  # leave them out and count them


class Repeats(Enum):
    """What to do when a number is named twice in one submission."""

    KEEP = auto()  # a message each
    COLLAPSE = auto()  # one message for all of them
    REFUSE = auto()  # the whole submission


class WithoutCredit(Enum):
    """What to do when the balance does not cover a submission."""

    REFUSE = auto()  # keep nothing, say so
    KEEP = auto()  # keep the rows, refused as 25, uncharged


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """
    What an account may not do; None means no limit of its own.

    `rate` counts requests a minute for each credential, `daily` messages a
    UTC day. `tier` is the highest tier it gets; `countries` the only ones it
    may write to.
    """

    rate: int | None = None
    daily: int | None = None
    tier: Tier | None = None
    countries: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """A tenant, as the use cases need it."""

    id: int
    name: str
    balance: int
    default_country: str | None
    timezone: str
    limits: AccountLimits = AccountLimits()
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """
    Who asks, through which dialect. Ids stay inside an account and a dialect.

    What a test credential sends reaches only providers that take tests, and
    costs nothing. `scopes` is what a token may do, None for everything.
    """

    account: Account
    dialect: str
    credential_id: int = 0
    is_test: bool = False
    scopes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """
    One text to one or many numbers, as a caller means it.

    `tier` None lets the number of recipients decide: standard, and bulk
    above 200. The sender is named by its number or its name; without either
    it is the account's default. A template, with its variables filled in,
    wins over `text`. `stop_mention` is appended before the text is counted.
    Without `not_after` the window is as long as the account says for the
    tier, else `default_validity`, else as long as the tier says.
    `external_id` is the caller's own id of the batch, unique in its account
    and dialect; `client_id` is only a remark. Each event is told to
    `callback_url`. Raises Invalid for a time without a zone, and for an id
    with a character that Postgres does not take.
    """

    recipients: Sequence[str]
    text: str
    numbers: NumberPolicy
    tier: Tier | None = None
    sender_id: int | None = None
    sender_name: str | None = None
    template_id: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    not_before: datetime | None = None
    not_after: datetime | None = None
    default_validity: timedelta | None = None
    strip_diacritics: bool = False
    stop_mention: bool = False
    without_credit: WithoutCredit = WithoutCredit.REFUSE
    invalid_numbers: InvalidNumbers = InvalidNumbers.REFUSE
    repeats: Repeats = Repeats.KEEP
    external_id: str | None = None
    client_id: str = ""
    callback_url: str | None = None
    traceparent: str | None = None

    def __post_init__(self) -> None:
        for name in ("not_before", "not_after"):
            at = getattr(self, name)
            if at is not None and at.utcoffset() is None:
                raise Invalid(f"{name} needs a time zone, got {at.isoformat(' ')} without one")
        for name in ("template_id", "external_id", "client_id"):
            if not _can_be_kept(getattr(self, name) or ""):
                raise Invalid(f"{name} has a character that cannot be kept")


def _can_be_kept(text: str) -> bool:
    """Tell that Postgres takes a text: no NUL, and no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


@dataclass(frozen=True, slots=True)
class AcceptedMessage:
    """One row that was kept, with the number as the caller wrote it and in E.164."""

    id: int
    public_id: UUID
    number_as_given: str
    status: Status
    number: str


@dataclass(frozen=True, slots=True)
class AcceptedBatch:
    """
    What a submission became. The messages are in the order of the recipients.

    `skipped` counts recipients that were left out as no phone numbers.
    """

    id: int
    public_id: UUID
    tier: Tier
    messages: Sequence[AcceptedMessage]
    charged: int
    window: Window
    accepted_at: datetime
    external_id: str | None = None
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a creating request was answered, word for word."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Once:
    """
    A submission that must not be accepted twice.

    `fingerprint` tells the same request from another with the same `key`;
    `answer` gives what is kept for whoever asks again.
    """

    key: str
    fingerprint: bytes
    answer: Callable[[AcceptedBatch], Answer]
