"""A message as the delivery path sees it, and the result of one attempt."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from dispatcher.domain.delivery.provider import Accepted, Outcome, Outgoing, PartlyAccepted
from dispatcher.domain.hours.allowed_hours import AllowedHours
from dispatcher.domain.messages.parts import PartsTaken
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.messages.trace import child_traceparent
from dispatcher.domain.messages.window import Window
from dispatcher.domain.tier import Tier

_PART_REFERENCES = (
    251  # a prime below 256: lists of round lengths do not give one phone the same reference again
)


@dataclass(frozen=True, slots=True)
class DueMessage:
    """
    A message in its lane, as it is read before it is claimed.

    It can be claimed only while its `seq` is the one that was read, so that a
    message that was edited since is not sent as it was. `attempt` counts the
    claims so far, `deferrals` the times that a provider deferred it, and
    `doubts` the attempts with an unknown result. `sender` is None if the
    batch has none any more; `sender_usable` is False if it was disabled.
    `paused` is whether its campaign is paused. `hours` are those of its
    campaign or account, and `closes_at` is when they end; None if there are
    none. `parts_taken` are the parts that `provider`, that of the last attempt,
    has already; None if it has none.
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
    provider: str | None = None
    parts_taken: PartsTaken | None = None

    @property
    def segments_left(self) -> int:
        """How many segments an attempt sends: those of the parts that are not taken, at least one."""
        if self.parts_taken is None:
            return self.segments
        return max(1, self.segments - len(self.parts_taken.numbers))

    @property
    def only_provider(self) -> str | None:
        """The provider that has parts of it, and so must get the others, whatever its route is now."""
        return None if self.parts_taken is None else self.provider

    @property
    def ends_at(self) -> datetime:
        """When it may no longer be sent: the end of its allowed hours or its window."""
        return min(self.window.not_after, self.closes_at or self.window.not_after)

    def outgoing(self, attempt: int) -> Outgoing:
        """
        Return the message as a provider gets it.

        Our reference, and that of its parts, is the same in every attempt. The
        references of parts differ for at least 250 messages that are accepted
        one after the other, whichever process sends them.
        """
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
            part_reference=self.id % _PART_REFERENCES,
            parts_taken=self.parts_taken,
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
    """
    A claim that has ended, and its outcome. The attempt number is the fence of the claim.

    `parts_taken` are the parts that the provider had before.
    """

    message_id: int
    attempt: int
    tier: Tier
    not_after: datetime
    deferrals: int
    doubts: int
    provider: str | None
    outcome: Outcome
    parts_taken: PartsTaken | None = None

    @property
    def parts_out(self) -> PartsTaken | None:
        """The parts that the provider has now; None if it took the text as a whole, or none of it."""
        before = self.parts_taken
        match self.outcome:
            case PartlyAccepted(total=total, taken=taken):
                return (before or PartsTaken(total, frozenset())).and_also(taken)
            case Accepted() if before is not None:
                return before.and_also(before.left)
        return before


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state of a message after an attempt, which the store writes."""

    status: Status
    place: Place | None
    wake_at: datetime | None
    reason: str
    deferred: bool = False
    doubtful: bool = False


class DecidedAttempt(NamedTuple):
    """An attempt, and what is decided on its outcome."""

    attempt: Attempt
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class DoubtPolicy:
    """How often a message in doubt, which a provider may have or not, is sent again."""

    resends: int
