"""
What a provider is to the engine: it takes messages, answers with values and reads its own receipts.

Answers are values, not exceptions: an exception out of `send` is a bug of the
plug-in and is treated as Unknown.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, runtime_checkable

from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import TIER_LIMITS, Tier

Gate = Callable[[], bool]
"""True while the request may be written: inside the window and the lease."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message as a provider sees it. `reference` is ours and the same in every attempt."""

    reference: str
    to: str
    sender: str | None
    text: str
    segments: int
    tier: Tier
    attempt: int
    not_after: datetime
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has it. One reference, or one for each part where the provider counts parts."""

    refs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """
    The provider will never take it: `status` is the final one, `reason` in the provider's words.

    `opted_out` says that it refused because the number has opted out there.
    """

    status: Status
    reason: str
    opted_out: bool = False


@dataclass(frozen=True, slots=True)
class Deferred:
    """The provider answered that it did not take it and to come back later, `after` if it said when."""

    reason: str
    after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Unsent:
    """It surely did not go out: no connection, no free connection in time, or the gate was closed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The provider may have it and nobody can tell."""

    reason: str


Outcome = Accepted | Rejected | Deferred | Unsent | Unknown


@dataclass(frozen=True, slots=True)
class ReceiptRequest:
    """A provider's receipt as it came in; header names in lower case. `url` is what it called, whole."""

    method: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    url: str = ""


@dataclass(frozen=True, slots=True)
class ReceiptReport:
    """
    What one receipt says.

    `ref` is the provider's, `reference` ours where the provider returns it;
    one of them is there. `status` None means "on its way": kept, moves nothing.
    `opted_out` says that it failed because the number has opted out there.
    """

    ref: str | None
    reference: str | None
    status: Status | None
    reason: str = ""
    opted_out: bool = False


@dataclass(frozen=True, slots=True)
class Inbound:
    """
    A message from a handset (MO): who wrote, to which of our numbers, what.

    `ref` is the provider's; with it the same message told twice is kept once.
    `sent_at` is the provider's time, None where it tells none.
    """

    sender: str
    recipient: str
    text: str
    ref: str | None = None
    sent_at: datetime | None = None


ProviderReports = ReceiptReport | Inbound
"""What a provider tells us by itself."""

ReportHandler = Callable[[Sequence[ProviderReports]], Awaitable[None]]
"""Takes what was told, and returns when it is kept: a provider is answered then. Raises Unavailable."""


class Traffic(StrEnum):
    """Which messages a provider is for. Those of test credentials and to simulated numbers are tests."""

    LIVE = "live"
    TESTS = "tests"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """
    One configured way out: which plug-in, and what the engine must know of it.

    `tps` counts segments a second. `dedupes` says that the provider sends a
    reference only once however often it gets it. `call_timeout` bounds one
    whole call. `countries` empty means all. `sender_tps` is the rate of a
    sender ID, "*" that of each one it does not name; empty means no such rate.
    `prices` are for a segment, by country, "*" standing for all that are not
    named; in a currency of the operator's. `poll` is how long after it took a
    message the provider is asked for its receipt, None never. `receipt_url` is
    where it can call us, None where nobody has said.
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
        """Tell how many segments a second this tier and those below it may count on here."""
        return token_rate(self.tps) * TIER_LIMITS[tier].share


# From its token to its first byte a message takes now five milliseconds, now fifty. So what a provider counts
# in one second comes from tokens of a little more than a second.
_EVENNESS = 1.05


def token_rate(tps: float) -> float:
    """Tell at what rate tokens are handed out, so that no second at the provider has more than `tps`."""
    return tps / _EVENNESS


class Provider(Protocol):
    """
    A way out.

    `max_batch` is how many messages one call carries. `send` answers one
    outcome for each message, in order. It calls `gate` in the last line
    before the first byte of the request is written, after a connection is
    there, and answers Unsent for all if it is closed. `read_receipt` verifies
    the signature first; it raises BadSignature or BadReceipt.
    """

    @property
    def max_batch(self) -> int: ...  # noqa: D102 - told by the class

    async def send(self, batch: Sequence[Outgoing], gate: Gate) -> Sequence[Outcome]: ...  # noqa: D102

    def read_receipt(self, request: ReceiptRequest) -> Sequence[ProviderReports]: ...  # noqa: D102

    async def close(self) -> None: ...  # noqa: D102


@runtime_checkable
class Listens(Protocol):
    """
    A provider that tells over connections which we hold, instead of calling our URL.

    `listen` is called once in each process that sends, before the first
    message; it returns at once and keeps its connections until `close`.
    """

    def listen(self, tell: ReportHandler) -> None: ...  # noqa: D102


@runtime_checkable
class Polls(Protocol):
    """
    A provider that must be asked what became of a message.

    `poll` asks for these references of its own and answers what is known of
    them; the others are asked for again. Raises Unavailable.
    """

    async def poll(self, refs: Sequence[str]) -> Sequence[ReceiptReport]: ...  # noqa: D102


ProviderFactory = Callable[[ProviderConfig], Provider]
"""What an entry point of the group `sms_dispatcher.providers` names; called inside the running loop."""
