"""What an edit makes of one message that waits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from dispatcher.domain.messages import template
from dispatcher.domain.messages.edit import NewText, Reschedule
from dispatcher.domain.messages.encoding import InvalidText, measure
from dispatcher.domain.messages.price import Prices
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.messages.template import MissingVariables
from dispatcher.domain.messages.window import MAX_AHEAD, Window

NO_CHANGE = "it is so already"
EMPTY_WINDOW = "its window would end before it starts"
WINDOW_OVER = "its window would be over"
TOO_FAR = f"it would be scheduled more than {MAX_AHEAD.days} days ahead"


@dataclass(frozen=True, slots=True)
class WaitingMessage:
    """
    A message that no worker holds, as an edit sees it.

    `variables` are what its campaign knows of its recipient, None without one.
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
    """It may have gone out as it was."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """It stays as it is, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """It goes out no more, and `refund` credits go back."""

    id: int
    refund: int


@dataclass(frozen=True, slots=True)
class WindowChanged:
    """It has another window, and waits for it there."""

    id: int
    window: Window
    place: Place
    wake_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class TextChanged:
    """It has another text, and costs `charged` in all, `extra` more than before."""

    id: int
    batch_id: int
    text: str
    segments: int
    charged: int
    extra: int


EditResult = Withdrawn | WindowChanged | TextChanged | TooLate | Unchanged
"""What an edit makes of one message."""


def withdraw(message: WaitingMessage) -> Withdrawn | TooLate:
    """Take a message back, unless a provider may have it."""
    return TooLate() if message.doubts else Withdrawn(message.id, message.charged)


def change_window(message: WaitingMessage, change: Reschedule, now: datetime) -> WindowChanged | Unchanged:
    """
    Give a message its new window, and tell where it waits.

    A start that has passed means now. Nothing goes back from 11 to 10: what
    was due already waits for its new time as 11 `held`. What is due and lies
    in a lane is taken out of it: a worker may have read the old window.
    """
    try:
        start, end = _ends(message.window, change, now)
    except OverflowError:  # the calendar's end
        return Unchanged(TOO_FAR)
    if (refusal := _refusal(message, change, start, end, now)) is not None:
        return Unchanged(refusal)
    wake_at = _wake_at(message, change, start, end, now)
    return WindowChanged(
        id=message.id,
        window=Window(start, end),
        place=Place.READY if wake_at is None else Place.HELD,
        wake_at=wake_at,
        reason=f"rescheduled to {_written(start)} until {_written(end)} UTC",
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
    """Tell when the clock looks again; None means that it is due and needs only room in its lane."""
    if change.moves_start:
        return start if message.status is Status.SCHEDULED or start > now else None
    if message.place is Place.HELD and message.wake_at is not None:
        return min(message.wake_at, end)
    return None


def change_text(
    message: WaitingMessage, change: NewText, *, max_segments: int, prices: Prices
) -> TextChanged | Unchanged | TooLate:
    """
    Give a message its new text, counted and priced anew.

    A text of as many segments costs what the old one did, and what was free
    stays free. What may have gone out with the old text keeps it.
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
    if segments > max_segments:
        return Unchanged(f"its text would have more than {max_segments} segments")
    charged = message.charged
    if charged and segments != message.segments:
        charged = prices.of(message.country, segments)
    return TextChanged(message.id, message.batch_id, text, segments, charged, charged - message.charged)


def _written(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
