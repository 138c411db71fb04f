from datetime import timedelta

import pytest

from dispatcher.domain.duration import format_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0124, "12 ms"),
        (0.9996, "1000 ms"),
        (1, "1.0 s"),
        (3.44, "3.4 s"),
        (10, "10 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (3661, "1 h 1 min"),
        (86_400 + 60, "1 d"),
        (3 * 86_400 + 4 * 3600 + 59, "3 d 4 h"),
        (-125, "2 min 5 s"),
    ],
)
def test_a_duration_is_rounded_to_two_units(seconds: float, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text
