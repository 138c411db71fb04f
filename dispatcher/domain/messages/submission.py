"""A submission as a producer hands it in, and the batch that it gets back."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from uuid import UUID

from dispatcher.domain.errors import Invalid
from dispatcher.domain.messages.status import Status
from dispatcher.domain.messages.text import storable_text
from dispatcher.domain.messages.window import Window
from dispatcher.domain.numbers.msisdn import NumberPolicy
from dispatcher.domain.tier import Tier

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class InvalidNumbers(Enum):
    """The treatment of recipients that are not phone numbers."""

    REFUSE = auto()  # the whole submission, each of them named
    SKIP = auto()  # leave them out and count them


class DuplicateNumbers(Enum):
    """The treatment of a number that one submission names twice."""

    KEEP = auto()  # a message each
    COLLAPSE = auto()  # one message for all of them
    REFUSE = auto()  # the whole submission


class WithoutCredit(Enum):
    """The treatment of a submission that the balance does not cover."""

    REFUSE = auto()  # keep nothing, raise NotEnoughCredit
    KEEP = auto()  # keep the rows, refused at accept with status 25, uncharged


@dataclass(frozen=True, slots=True)
class Submission:
    """
    One text to one or many numbers, as a caller hands it in.

    `tier` None means standard, and bulk above 200 recipients. The sender is
    named by its number or its name; without either it is the account's
    default. A template, with its variables filled in, wins over `text`.
    `stop_mention` is appended before the text is counted. Without `not_after`
    the window has the account's validity for the tier, else
    `default_validity`, else the tier's. `external_id` is the caller's own id
    of the batch, unique in its account and dialect; `client_id` is only a
    remark. Each event is posted to `callback_url`. Raises Invalid for a time
    without a zone, and for an id with a character that Postgres refuses.
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
    duplicate_numbers: DuplicateNumbers = DuplicateNumbers.KEEP
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
            value = getattr(self, name) or ""
            if storable_text(value) != value:
                raise Invalid(f"{name} has a character that cannot be stored")


@dataclass(frozen=True, slots=True)
class AcceptedMessage:
    """One message that was written, with its number as the caller wrote it and in E.164."""

    id: int
    public_id: UUID
    number_as_given: str
    status: Status
    number: str


@dataclass(frozen=True, slots=True)
class AcceptedBatch:
    """
    The batch of an accepted submission. The messages are in the order of the recipients.

    `skipped` counts recipients that were left out because they are not phone numbers.
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
class StoredResponse:
    """The answer to a request that creates messages, byte by byte; `is_replayed` for a repeated request."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_replayed: bool = False


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """
    The idempotency key of a submission that must not be accepted twice.

    `fingerprint` is the same for a repeated request and differs for another
    one with the same `key`; `answer` makes the answer that repeats get.
    `exact` is the fingerprint of the very bytes, as earlier versions stored it.
    Raises Invalid for a key that is not 1 to 255 printable ASCII characters.
    """

    key: str
    fingerprint: bytes
    answer: Callable[[AcceptedBatch], StoredResponse]
    exact: bytes = b""

    def __post_init__(self) -> None:
        if not _KEY.fullmatch(self.key):
            raise Invalid("Idempotency-Key must be 1 to 255 printable ASCII characters without spaces")
