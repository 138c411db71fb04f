"""The result of an edit for one message: always allowed by the table, and no change if repeated."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from dispatcher.domain.accounts.credits import Prices, PriceUnit
from dispatcher.domain.messages.edit import Cancel, EditReport, NewText, Reschedule
from dispatcher.domain.messages.edit_rules import (
    NO_CHANGE,
    TextChanged,
    TooLate,
    Unchanged,
    WaitingMessage,
    WindowChanged,
    Withdrawn,
    change_text,
    change_window,
    withdraw,
)
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.messages.window import Window

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PRICES = Prices(by_country={"KE": 3})

moments = st.integers(-10, 10).map(lambda hours: NOW + hours * HOUR)


@st.composite
def messages(draw: st.DrawFn) -> WaitingMessage:
    start, length = draw(moments), draw(st.integers(1, 10)) * HOUR
    window = Window(start, start + length)
    status = draw(st.sampled_from([Status.SCHEDULED, Status.PENDING]))
    place = (
        Place.HELD
        if status is Status.SCHEDULED
        else draw(st.sampled_from([Place.HELD, Place.READY, Place.LANE]))
    )
    wake_at = None if place is Place.READY else window.not_after - draw(st.integers(0, 3)) * HOUR
    return WaitingMessage(
        id=1, batch_id=7, status=status, place=place, wake_at=wake_at, window=window, text="Hello",
        segments=1, charged=3, country="KE", may_be_out=False,
    )  # fmt: skip


@st.composite
def reschedules(draw: st.DrawFn) -> Reschedule:
    if draw(st.booleans()):
        return Reschedule(shift=draw(st.integers(-8, 8).filter(bool)) * HOUR)
    start, end = draw(st.none() | moments), draw(st.none() | moments)
    assume(start or end)
    assume(start is None or end is None or start < end)
    return Reschedule(start, end)


@given(messages(), reschedules())
def test_a_new_window_is_one_that_a_message_can_wait_for(message: WaitingMessage, change: Reschedule) -> None:
    made = change_window(message, change, NOW)
    if isinstance(made, Unchanged):
        return
    assert made.window.not_after > NOW
    assert (made.wake_at is None) == (made.place is Place.READY)
    assert made.place in {Place.HELD, Place.READY}
    if made.wake_at is not None:
        assert made.wake_at <= made.window.not_after
    if message.status is Status.SCHEDULED:
        assert made.place is Place.HELD
    if change.moves_start and made.window.not_before > NOW:
        assert made.wake_at == made.window.not_before


@given(messages(), st.integers(0, 10), st.integers(1, 10))
def test_the_same_window_again_changes_nothing(message: WaitingMessage, start: int, length: int) -> None:
    change = Reschedule(NOW + start * HOUR, NOW + (start + length) * HOUR)
    made = change_window(message, change, NOW)
    if isinstance(made, WindowChanged):
        message = replace(message, window=made.window, place=made.place, wake_at=made.wake_at)
    assert change_window(message, change, NOW) == Unchanged(NO_CHANGE)


def test_a_text_with_the_same_number_of_segments_costs_the_same() -> None:
    message = _message(charged=5)  # at the prices of that day
    made = change_text(message, NewText("Bye"), max_segments=10, prices=PRICES)
    assert made == TextChanged(1, 7, "Bye", 1, 5, 0)
    longer = change_text(message, NewText("x" * 161), max_segments=10, prices=PRICES)
    assert isinstance(longer, TextChanged)
    assert (longer.segments, longer.charged, longer.extra) == (2, 6, 1)
    flat = change_text(
        message, NewText("x" * 161), max_segments=10, prices=Prices(PriceUnit.MESSAGE, {"KE": 3})
    )
    assert isinstance(flat, TextChanged)
    assert (flat.charged, flat.extra) == (3, -2)


def test_a_text_that_variables_make_too_long_or_empty_is_refused() -> None:
    long, empty = _message({"name": "x" * 400}), _message({"name": " "})
    result = change_text(long, NewText("{{name}}"), max_segments=2, prices=PRICES)
    assert result == Unchanged("its text would have more than 2 segments")
    assert change_text(empty, NewText("{{name}}"), max_segments=2, prices=PRICES) == Unchanged(
        "its text would be empty"
    )


def test_a_message_that_may_have_been_sent_is_neither_withdrawn_nor_changed() -> None:
    assert withdraw(_message()) == Withdrawn(1, 3)
    assert withdraw(_message(may_be_out=True)) == TooLate()
    assert change_text(_message(may_be_out=True), NewText("Bye"), max_segments=2, prices=PRICES) == TooLate()


def test_a_shift_beyond_the_calendar_is_too_far() -> None:
    message = replace(_message(), window=Window(NOW, datetime.max.replace(tzinfo=UTC)))
    assert isinstance(change_window(message, Reschedule(shift=HOUR), NOW), Unchanged)


def test_reports_add_up() -> None:
    one = EditReport(changed=1, too_late=2, unchanged={"a": 3}, refunded=4, charged=-5)
    two = EditReport(changed=1, unchanged={"a": 1, "b": 1}, charged=1)
    assert one.plus(two) == EditReport(2, 2, {"a": 4, "b": 1}, 4, -4)
    assert Cancel().reason == "cancelled by an operator"


def _message(
    variables: dict[str, str] | None = None, *, charged: int = 3, may_be_out: bool = False
) -> WaitingMessage:
    return WaitingMessage(
        id=1, batch_id=7, status=Status.PENDING, place=Place.READY, wake_at=None,
        window=Window(NOW, NOW + HOUR), text="Hello", segments=1, charged=charged, country="KE",
        may_be_out=may_be_out, variables=variables,
    )  # fmt: skip
