"""Windows: half-open, aware, never empty."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.messages.window import Phase, Window

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
offsets = st.timedeltas(min_value=-DAY, max_value=DAY)


def test_not_before_is_inside_and_not_after_is_not() -> None:
    window = Window(NOW, NOW + DAY)
    assert window.phase(NOW) is Phase.OPEN
    assert window.phase(NOW + DAY) is Phase.OVER
    assert window.phase(NOW - timedelta(microseconds=1)) is Phase.EARLY


def test_a_default_end_counts_from_the_later_of_now_and_not_before() -> None:
    assert Window.of(NOW, not_before=NOW + DAY, not_after=None, validity=DAY).not_after == NOW + 2 * DAY
    assert Window.of(NOW, not_before=NOW - DAY, not_after=None, validity=DAY).not_after == NOW + DAY


@pytest.mark.parametrize("end", [NOW, NOW - DAY])
def test_an_empty_window_is_refused(end: datetime) -> None:
    with pytest.raises(ValueError, match="must end after"):
        Window(NOW, end)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        Window(NOW.replace(tzinfo=None), NOW)


@given(offsets, offsets)
def test_the_past_means_now_and_an_open_window_is_inside_its_ends(start: timedelta, look: timedelta) -> None:
    window = Window.of(NOW, not_before=NOW + start, not_after=None, validity=DAY)
    assert window.not_before == max(NOW, NOW + start)
    assert (window.phase(NOW + look) is Phase.OPEN) == (window.not_before <= NOW + look < window.not_after)
