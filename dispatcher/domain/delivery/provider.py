"""
The contract of a provider: it sends messages, returns outcomes and reads its own receipts.

Outcomes are values, not exceptions. An exception from `send` is a bug of the
plug-in and is treated as Unknown.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, runtime_checkable

from dispatcher.domain.delivery.inbound_part import InboundPart
from dispatcher.domain.messages.parts import PartsTaken
from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import TIER_LIMITS, Tier

Gate = Callable[[], bool]
"""Returns True while the request may be written: inside the window and the lease."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """
    One message as a provider gets it. `reference` is ours, and the same in every attempt.

    The rest is for a provider that counts parts. `part_reference`, 0 to 255, is
    that by which a handset joins the parts, and is also the same in every
    attempt. `parts_taken` are the parts that the provider has from earlier
    attempts: only the others are sent, with the numbers that they have in the
    whole text. None if it has no part.
    """

    reference: str
    to: str
    sender: str | None
    text: str
    segments: int
    tier: Tier
    attempt: int
    not_after: datetime
    traceparent: str | None = None
    part_reference: int = 0
    parts_taken: PartsTaken | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """
    The provider has it, with all its parts.

    `refs` is one reference, or, of a provider that counts parts, one for each
    part that this attempt sent, in order; "" for a part without one.
    """

    refs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """
    The provider will never accept it: `status` is the final one, `reason` is in the provider's words.

    `status` is one of 30 to 39 (`status.is_missed`).
    `opted_out` is True if the reason is that the number has opted out there.
    """

    status: Status
    reason: str
    opted_out: bool = False


@dataclass(frozen=True, slots=True)
class Deferred:
    """
    The provider did not accept it and asked us to retry, after `after` if it said when.

    `of_account` is True if it refuses our account or its credentials, which
    an operator must correct.
    """

    reason: str
    after: timedelta | None = None
    of_account: bool = False


@dataclass(frozen=True, slots=True)
class Unsent:
    """It was certainly not sent: no connection, no free connection in time, or the gate was closed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The provider may have it or not."""

    reason: str


Unaccepted = Rejected | Deferred | Unsent | Unknown
"""Every outcome but acceptance."""


@dataclass(frozen=True, slots=True)
class PartlyAccepted:
    """
    A provider that counts parts took some in this attempt, and others not.

    `taken` has its reference of each part that it took, by the part's number
    from 1; "" for a part without one. `total` counts the parts of the whole
    text. `rest` is the outcome of the parts that it did not take. They alone
    are sent again, to the same provider; a Rejected part ends the message.
    """

    total: int
    taken: Mapping[int, str]
    rest: Unaccepted


Outcome = Accepted | PartlyAccepted | Unaccepted


def rest_of(outcome: Outcome) -> Accepted | Unaccepted:
    """Return the outcome of the parts that were not taken, if only some were; else the outcome."""
    return outcome.rest if isinstance(outcome, PartlyAccepted) else outcome


@dataclass(frozen=True, slots=True)
class ReceiptRequest:
    """A receipt as it was received; header names are in lower case, `url` is the full URL."""

    method: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    url: str = ""


@dataclass(frozen=True, slots=True)
class ReceiptReport:
    """
    The content of one receipt.

    `ref` is the provider's reference, `reference` ours if the provider returns
    it; at least one of them is set. `status` None means "on its way": it is
    stored and changes nothing. `opted_out` is True if the message failed
    because the number has opted out there. `remark` is what was odd about the
    receipt, for operators; "" if nothing was.
    """

    ref: str | None
    reference: str | None
    status: Status | None
    reason: str = ""
    opted_out: bool = False
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Inbound:
    """
    A message from a handset (MO), from `sender` to `recipient`, one of our numbers.

    `ref` is the provider's reference; with it a message that is reported twice
    is stored once. `sent_at` is the provider's time, None if it gives none.
    """

    sender: str
    recipient: str
    text: str
    ref: str | None = None
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class InboundData:
    """
    What is no text in a message from a handset: binary data, or media.

    It is logged and left out, and the provider is answered as for a text: a
    provider that is refused repeats its request, or stops calling our URL.
    `kind` says what it is, in the provider's word.
    """

    kind: str
    ref: str | None = None


ProviderReports = ReceiptReport | Inbound | InboundPart | InboundData
"""What a provider reports on its own initiative."""

ReportHandler = Callable[[Sequence[ProviderReports]], Awaitable[None]]
"""Stores reports; when it returns, the provider can be answered. Raises Unavailable."""


class Traffic(StrEnum):
    """The messages that a provider takes. Tests are those of test credentials and to simulated numbers."""

    LIVE = "live"
    TESTS = "tests"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """
    One configured provider: its plug-in, and its limits and properties.

    `tps` is in segments a second. `dedupes` means that the provider sends a
    reference only once, however often it gets it. `call_timeout` limits one
    whole call. `countries` empty means all. `sender_tps` is the rate by sender
    ID, "*" that of every other sender ID; empty means no such rate. `prices`
    are for a segment, by country, "*" for all other countries, in a currency
    of the operator's choice. `poll` is how long after acceptance the provider
    is asked for the receipt; None is never. `receipt_url` is where the
    provider can call us; None if it is not configured.
    """

    name: str
    plugin: str
    options: Mapping[str, object]
    tps: float = 100.0
    max_connections: int = 200
    call_timeout: timedelta = timedelta(seconds=5)
    dedupes: bool = False
    countries: frozenset[str] = field(default_factory=frozenset)
    takes: Traffic = Traffic.LIVE
    sender_tps: Mapping[str, float] = field(default_factory=dict)
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    poll: timedelta | None = None
    receipt_url: str | None = None

    def rate(self, tier: Tier) -> float:
        """Return how many segments a second this tier and those below it may use together."""
        return token_rate(self.tps) * TIER_LIMITS[tier].share


# From its token to its first byte a message takes 5 to 50 milliseconds. So the messages that a provider
# counts in one second may have got their tokens in a little more than a second.
_TOKEN_MARGIN = 1.05


def token_rate(tps: float) -> float:
    """Return the rate of tokens at which no second at the provider has more than `tps` segments."""
    return tps / _TOKEN_MARGIN


class Provider(Protocol):
    """
    A provider that messages are sent through.

    `max_batch` is how many messages one call can carry. `send` returns one
    outcome for each message, in order. Once it has a connection, it calls
    `gate` immediately before the first byte of the request is written, and
    returns Unsent for all messages if that returns False. `read_receipt`
    verifies the signature first; it raises BadSignature or BadReceipt.
    """

    @property
    def max_batch(self) -> int: ...  # noqa: D102 - see the class

    async def send(self, batch: Sequence[Outgoing], gate: Gate) -> Sequence[Outcome]: ...  # noqa: D102

    def read_receipt(self, request: ReceiptRequest) -> Sequence[ProviderReports]: ...  # noqa: D102

    async def close(self) -> None: ...  # noqa: D102


@runtime_checkable
class Listens(Protocol):
    """
    A provider that reports over connections that we open, instead of calling our URL.

    `listen` is called once in each process that sends, before the first
    message. It returns at once and keeps its connections until `close`.
    """

    def listen(self, handler: ReportHandler) -> None: ...  # noqa: D102


@runtime_checkable
class Polls(Protocol):
    """
    A provider that must be asked for receipts.

    `poll` takes references of the provider and returns the receipts that it
    has; the others are asked for again later. Raises Unavailable.
    """

    async def poll(self, refs: Sequence[str]) -> Sequence[ReceiptReport]: ...  # noqa: D102


ProviderFactory = Callable[[ProviderConfig], Provider]
"""The target of an entry point in `sms_dispatcher.providers`; called inside the running loop."""
