"""A message as the delivery path sees it, and what became of one try."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from dispatcher.domain.delivery.provider import Outcome, Outgoing
from dispatcher.domain.hours.allowed_hours import AllowedHours
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.messages.trace import child_traceparent
from dispatcher.domain.messages.window import Window
from dispatcher.domain.tier import Tier


@dataclass(frozen=True, slots=True)
class DueMessage:
    """
    A message in its lane, as read before it is claimed.

    A claim takes it only while its `seq` is the one that was read: what was
    edited meanwhile does not go out as it was. `attempt` counts the claims so
    far, `deferrals` the providers' "later", `doubts` the tries nobody can
    tell the end of. `sender` is None when the batch has none any more;
    `sender_usable` is False when it was disabled. `paused` says that its
    campaign is. `hours` are those of its campaign or account, and `closes_at`
    is when they end; None where there are none.
    """

    id: int
    public_id: UUID
    seq: int
    account_id: int
    tier: Tier
    number: str
    country: str
    sender: str | None
    sender_usable: bool
    text: str
    segments: int
    window: Window
    attempt: int
    deferrals: int
    doubts: int
    is_test: bool = False
    opted_out: bool = False
    paused: bool = False
    hours: AllowedHours | None = None
    closes_at: datetime | None = None
    traceparent: str | None = None

    @property
    def ends_at(self) -> datetime:
        """When it may be sent no more, now that it may: its window's end, or before that its hours'."""
        return min(self.window.not_after, self.closes_at or self.window.not_after)

    def outgoing(self, attempt: int) -> Outgoing:
        """Build what a provider gets. Our reference stays the same in every attempt."""
        return Outgoing(
            reference=str(self.public_id),
            to=self.number,
            sender=self.sender,
            text=self.text,
            segments=self.segments,
            tier=self.tier,
            attempt=attempt,
            not_after=self.window.not_after,
            traceparent=self._traceparent(attempt),
        )

    def _traceparent(self, attempt: int) -> str | None:
        if self.traceparent is None:
            return None
        return child_traceparent(self.traceparent, reference=str(self.public_id), attempt=attempt)


@dataclass(frozen=True, slots=True)
class RoutedMessage:
    """A message and the providers of its route, in order."""

    message: DueMessage
    providers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A claim that has ended: which one, and with what. `attempt` is its fence."""

    message_id: int
    attempt: int
    tier: Tier
    not_after: datetime
    deferrals: int
    doubts: int
    provider: str | None
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a try leaves its message: the one description of a move that `store` writes."""

    status: Status
    place: Place | None
    wake_at: datetime | None
    reason: str
    deferred: bool = False
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class DoubtPolicy:
    """What to do when a provider may have a message and nobody can tell: send again, at most so often."""

    resends: int


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait for whom. `max_deferrals` is how often a provider may say "later"."""

    receipt: timedelta
    backoff_base: timedelta
    backoff_cap: timedelta
    max_deferrals: int = 10
