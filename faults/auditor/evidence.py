"""What the auditor compares: what clients wrote, what Postgres has, what providers and receivers got."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier


@dataclass(frozen=True, slots=True)
class Wish:
    """
    What a client wanted of one message from `asked_at` on; times are in epoch seconds.

    `text` is None for a cancellation. `answered_at` is when the client knew
    that it holds, None if it never knew.
    """

    asked_at: float
    answered_at: float | None
    text: str | None
    not_before: float = 0.0
    not_after: float = float("inf")


@dataclass(frozen=True, slots=True)
class WrittenMessage:
    """
    One message as its client wrote it; no two messages have the same number.

    `is_accepted` is whether an answer said so. `callback` is the path its
    events are posted to, "" without one; `events` are the words by status
    that its receiver gets there.
    """

    number: str
    stream: str
    tier: Tier
    wishes: Sequence[Wish]
    is_accepted: bool
    callback: str = ""
    events: Mapping[Status, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event of a message's history."""

    seq: int
    at: float
    status: Status
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One row of `messages` with its history, and the references that providers gave it."""

    id: int
    public_id: str
    number: str
    text: str
    status: Status
    not_after: float
    doubts: int
    charged: int
    batch_id: int
    events: Sequence[StoredEvent]
    reason: str = ""
    place: str | None = None
    references: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One entry of the ledger of an account."""

    kind: str
    amount: int
    batch_id: int | None = None
    message_id: int | None = None


@dataclass(frozen=True, slots=True)
class ProviderCopy:
    """
    What one provider got of a message, by the provider's own clock.

    `received_at` has each try, `accepted` counts those that were taken, and
    `word` is that of the last receipt which we answered. `part` is set for a
    part of a long text. `references` are the ids that it was given.
    """

    provider: str
    number: str
    text: str
    received_at: Sequence[float]
    accepted: int
    word: str = ""
    part: int | None = None
    references: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ReceivedCallback:
    """One callback that our receiver answered with 200."""

    path: str
    number: str
    event: str


@dataclass(frozen=True, slots=True)
class CampaignRun:
    """One run of a campaign, with the number of its messages that Postgres has."""

    id: int
    state: str
    total: int
    messages: int
    left_out: int
    charged: int
    rows: int
    rows_charged: int


@dataclass(frozen=True, slots=True)
class StrikeTime:
    """
    When a fault was in place.

    `delays_provider`: what is written meanwhile is read after it.
    `heals_in_place`: the dispatcher need not wait for its end.
    """

    name: str
    start: float
    end: float
    delays_provider: bool = False
    heals_in_place: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known after a run, once it has settled."""

    written: Sequence[WrittenMessage]
    stored: Sequence[StoredMessage] = ()
    copies: Sequence[ProviderCopy] = ()
    callbacks: Sequence[ReceivedCallback] = ()
    ledger: Sequence[LedgerRow] = ()
    balance: int = 0
    runs: Sequence[CampaignRun] = ()
    strikes: Sequence[StrikeTime] = ()
    refusals: Sequence[str] = ()
