"""Edits of waiting messages: a cancellation, another window or another text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from dispatcher.domain.accounts.account import Account
from dispatcher.domain.errors import Invalid
from dispatcher.domain.messages.status import OPEN, Status
from dispatcher.domain.messages.text import is_blank
from dispatcher.domain.messages.window import MAX_AHEAD
from dispatcher.domain.tier import Tier

BY_OPERATOR = "cancelled by an operator"
BY_CALLER = "withdrawn by the caller"
BEING_SENT = "being sent"
IN_DOUBT = "in doubt"


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Times from `start` up to but excluding `end`; None means no bound."""

    start: datetime | None = None
    end: datetime | None = None

    @property
    def is_bounded(self) -> bool:
        """Whether the range has a start or an end."""
        return self.start is not None or self.end is not None


ALWAYS = TimeRange()


@dataclass(frozen=True, slots=True)
class Selection:
    """
    The messages of one account that an edit applies to; None sets no condition.

    A selection by message, batch or campaign (by its name or number, with the
    runs that are not finished) includes messages that were sent or have
    ended, so that the report can count those that came too late. Any other
    selection has open messages only. `due` is the range of `not_before`.
    Raises Invalid if there is no condition and `everything` is not set, and
    for a status that cannot be changed.
    """

    account: Account
    message: int | UUID | None = None
    batch: int | UUID | None = None
    campaign: str | None = None
    tier: Tier | None = None
    statuses: frozenset[Status] | None = None
    number: str | None = None
    sender: str | None = None
    due: TimeRange = ALWAYS
    created: TimeRange = ALWAYS
    everything: bool = False

    def __post_init__(self) -> None:
        named = (self.message, self.batch, self.campaign, self.tier, self.statuses, self.number, self.sender)
        narrows = any(value is not None for value in named) or self.due.is_bounded or self.created.is_bounded
        if not narrows and not self.everything:
            raise Invalid(
                f"this selects all messages of {self.account.name!r}: add a condition, or set everything"
            )
        if narrows and self.everything:
            raise Invalid("everything is set together with a condition: use only one of them")
        if self.statuses is not None and not self.statuses <= OPEN:
            raise Invalid("only scheduled and pending messages can be changed: select by these statuses")

    @property
    def is_whole(self) -> bool:
        """Whether it is a batch or a campaign, and no part of it."""
        parts = (self.message, self.tier, self.statuses, self.number, self.sender)
        narrows = any(part is not None for part in parts) or self.due.is_bounded or self.created.is_bounded
        return not narrows and (self.batch is None) != (self.campaign is None)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Withdraw messages, except those that may have been sent."""

    reason: str = BY_OPERATOR


@dataclass(frozen=True, slots=True)
class Reschedule:
    """
    Change the window of messages: to a new start or end, or by a `shift` of both.

    A start or end that is None stays. Raises Invalid unless there is either a
    shift or a new time, and for times without a zone or in the wrong order.
    """

    not_before: datetime | None = None
    not_after: datetime | None = None
    shift: timedelta | None = None

    def __post_init__(self) -> None:
        ends = [end for end in (self.not_before, self.not_after) if end is not None]
        if bool(ends) == (self.shift is not None):
            raise Invalid("give either not_before, not_after or both, or a shift")
        for end in ends:
            if end.utcoffset() is None:
                raise Invalid(f"a window needs times with a zone, got {end.isoformat(' ')} without one")
        if self.not_before is not None and self.not_after is not None and self.not_after <= self.not_before:
            raise Invalid(f"a window must end after it starts: {self.not_before} .. {self.not_after}")
        if self.shift is not None and not timedelta() < abs(self.shift) <= MAX_AHEAD:
            raise Invalid(f"a shift must not be zero, and at most {MAX_AHEAD.days} days, got {self.shift}")

    @property
    def moves_start(self) -> bool:
        """Whether messages get another `not_before`."""
        return self.not_before is not None or self.shift is not None

    def check(self, now: datetime) -> None:
        """Raise Invalid if no message can have this window: it is over, or too far ahead."""
        if self.not_after is not None and self.not_after <= now:
            raise Invalid(f"not_after {self.not_after.isoformat(' ')} has passed")
        if self.not_before is not None and self.not_before - now > MAX_AHEAD:
            raise Invalid(f"not_before is at most {MAX_AHEAD.days} days ahead, not {self.not_before.date()}")


@dataclass(frozen=True, slots=True)
class NewText:
    """Change the text of messages; its variables are those of the campaign's recipient."""

    text: str

    def __post_init__(self) -> None:
        if is_blank(self.text):
            raise Invalid("a message needs a text")


Change = Cancel | Reschedule | NewText


@dataclass(frozen=True, slots=True)
class EditReport:
    """
    The result of an edit; each selected message is counted once.

    `too_late` counts messages that are being sent, were sent or have ended,
    and `late` says how many of each kind. `unchanged` counts, by reason,
    messages that could have been changed and were not. `charged` is the
    difference in cost of new texts, below zero if they cost less.

    The text of a whole campaign counts its recipients, each once: `to_come`
    are those who have no message yet and will get the new text, `left_out`
    those who get none, by reason, because they cannot have the new text.
    `next_run` is the next run, which has the new text too. After any other
    edit of a campaign, `not_reached` counts its recipients without a message.
    """

    changed: int = 0
    too_late: int = 0
    unchanged: Mapping[str, int] = field(default_factory=dict)
    refunded: int = 0
    charged: int = 0
    late: Mapping[str, int] = field(default_factory=dict)
    to_come: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    not_reached: int = 0
    next_run: datetime | None = None

    def plus(self, other: "EditReport") -> "EditReport":
        """Return the sum of both reports."""
        return EditReport(
            changed=self.changed + other.changed,
            too_late=self.too_late + other.too_late,
            unchanged=_sum(self.unchanged, other.unchanged),
            refunded=self.refunded + other.refunded,
            charged=self.charged + other.charged,
            late=_sum(self.late, other.late),
            to_come=self.to_come + other.to_come,
            left_out=_sum(self.left_out, other.left_out),
            not_reached=self.not_reached + other.not_reached,
            next_run=self.next_run or other.next_run,
        )


def late_kind(status: Status) -> str:
    """Return the kind of a message that is too late: its status, or "being sent" while it is open."""
    return BEING_SENT if status in OPEN else status.name.lower().replace("_", " ")


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in [*one, *other]}
