"""The result of an edit for one waiting message."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from dispatcher.domain.accounts.credits import Prices
from dispatcher.domain.messages import template
from dispatcher.domain.messages.edit import NewText, Reschedule
from dispatcher.domain.messages.encoding import InvalidText, measure
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.messages.template import MissingVariables
from dispatcher.domain.messages.window import MAX_AHEAD, Window

NO_CHANGE = "nothing would change"
EMPTY_WINDOW = "its window would end before it starts"
WINDOW_OVER = "its window would be over already"
TOO_FAR = f"it would be scheduled more than {MAX_AHEAD.days} days ahead"


@dataclass(frozen=True, slots=True)
class WaitingMessage:
    """
    A message that no worker holds, with the fields that an edit needs.

    `variables` are those of the recipient in its campaign; None without a
    campaign.
    """

    id: int
    batch_id: int
    status: Status
    place: Place
    wake_at: datetime | None
    window: Window
    text: str
    segments: int
    charged: int
    country: str
    doubts: int
    variables: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class TooLate:
    """The message may have been sent before the edit."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The message stays as it is, with the reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The message will not be sent, and `refund` credits are returned."""

    id: int
    refund: int


@dataclass(frozen=True, slots=True)
class WindowChanged:
    """The message gets another window, and the place where it waits for it."""

    id: int
    window: Window
    place: Place
    wake_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class TextChanged:
    """The message gets another text, and costs `charged` in total, which is `extra` more than before."""

    id: int
    batch_id: int
    text: str
    segments: int
    charged: int
    extra: int


EditResult = Withdrawn | WindowChanged | TextChanged | TooLate | Unchanged
"""The result of an edit for one message."""


def withdraw(message: WaitingMessage) -> Withdrawn | TooLate:
    """Return the withdrawal of a message, or TooLate if a provider may have it."""
    return TooLate() if message.doubts else Withdrawn(message.id, message.charged)


def change_window(message: WaitingMessage, change: Reschedule, now: datetime) -> WindowChanged | Unchanged:
    """
    Return the new window of a message and the place where it waits.

    A start in the past means now. No message goes back from 11 to 10: one
    that was due waits for its new time as 11 `held`. A message leaves its
    lane, because a worker may have read the old window.
    """
    try:
        start, end = _ends(message.window, change, now)
    except OverflowError:  # after year 9999
        return Unchanged(TOO_FAR)
    if (refusal := _refusal(message, change, start, end, now)) is not None:
        return Unchanged(refusal)
    wake_at = _wake_at(message, change, start, end, now)
    return WindowChanged(
        id=message.id,
        window=Window(start, end),
        place=Place.READY if wake_at is None else Place.HELD,
        wake_at=wake_at,
        reason=f"rescheduled to {_format(start)} until {_format(end)} UTC",
    )


def _ends(window: Window, change: Reschedule, now: datetime) -> tuple[datetime, datetime]:
    if change.shift is not None:
        return window.not_before + change.shift, window.not_after + change.shift
    start = window.not_before if change.not_before is None else max(change.not_before, now)
    return start, change.not_after or window.not_after


def _refusal(
    message: WaitingMessage, change: Reschedule, start: datetime, end: datetime, now: datetime
) -> str | None:
    window = message.window
    if (change.not_before in (None, window.not_before) and end == window.not_after) and change.shift is None:
        return NO_CHANGE
    if end <= start:
        return EMPTY_WINDOW
    if end <= now:
        return WINDOW_OVER
    return TOO_FAR if start - now > MAX_AHEAD else None


def _wake_at(
    message: WaitingMessage, change: Reschedule, start: datetime, end: datetime, now: datetime
) -> datetime | None:
    """Return when the clock looks at the message again; None if it is due and only needs room in its lane."""
    if change.moves_start:
        return start if message.status is Status.SCHEDULED or start > now else None
    if message.place is Place.HELD and message.wake_at is not None:
        return min(message.wake_at, end)
    return None


def change_text(
    message: WaitingMessage, change: NewText, *, max_segments: int, prices: Prices
) -> TextChanged | Unchanged | TooLate:
    """
    Return a message's new text with its segments and price.

    A text with the same number of segments costs the same as the old one,
    and a free message stays free. A message that may have been sent with the
    old text is TooLate.
    """
    if message.doubts:
        return TooLate()
    try:
        text = template.render(change.text, message.variables or {})
        segments = measure(text).segments
    except (MissingVariables, InvalidText) as error:
        return Unchanged(str(error))
    if text == message.text:
        return Unchanged(NO_CHANGE)
    if not text.strip():
        return Unchanged("its text would be empty")
    if unfilled := template.unfilled_braces(text):
        return Unchanged(f"its text would have braces that nothing fills: {unfilled}")
    if segments > max_segments:
        return Unchanged(f"its text would have more than {max_segments} segments")
    charged = message.charged
    if charged and segments != message.segments:
        charged = prices.of(message.country, segments)
    return TextChanged(message.id, message.batch_id, text, segments, charged, charged - message.charged)


def _format(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
