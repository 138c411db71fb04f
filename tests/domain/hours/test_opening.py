"""The opening that a message waits for, and its texts."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from dispatcher.domain.hours.allowed_hours import parse_hours
from dispatcher.domain.hours.opening import first_opening, format_local_time
from dispatcher.domain.messages.window import Window

NAIROBI, PARIS = ZoneInfo("Africa/Nairobi"), ZoneInfo("Europe/Paris")
COASTS = (ZoneInfo("America/New_York"), ZoneInfo("America/Los_Angeles"))
HOUR = timedelta(hours=1)
DAYTIME = parse_hours({"mon-fri": ["08:00-20:00"]})


def at(text: str, zone: ZoneInfo = NAIROBI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def lasting(start: datetime, length: timedelta) -> Window:
    return Window(start, start + length)


def test_an_opening_in_the_window_serves_it_and_says_when_it_is() -> None:
    window = lasting(at("2030-06-03T21:00"), 12 * HOUR)
    found = first_opening(DAYTIME, (NAIROBI,), window=window)
    assert (found.at, found.closes_at) == (at("2030-06-04T08:00"), at("2030-06-04T20:00"))
    assert found.serves(window)
    assert found.wait_reason == "waits for allowed hours: 2030-06-04 08:00 Africa/Nairobi"


def test_an_opening_at_the_windows_end_does_not_serve_it() -> None:
    window = lasting(at("2030-06-03T21:00"), 11 * HOUR)
    found = first_opening(DAYTIME, (NAIROBI,), window=window)
    assert not found.serves(window)
    assert found.miss_reason == (
        "outside allowed hours (opens 2030-06-04 08:00 Africa/Nairobi) and its window is over by then"
    )


def test_hours_that_do_not_open_soon_say_so() -> None:
    window = lasting(at("2030-06-03T08:00"), HOUR)
    never = first_opening(parse_hours({"mon": ["08:00-09:00"]}), COASTS, window=window)
    assert (never.at, never.serves(window)) == (None, False)
    assert never.miss_reason == "outside allowed hours (no opening comes soon) and its window is over by then"


def test_hours_that_do_not_close_soon_have_no_end() -> None:
    window = lasting(at("2030-06-03T08:00"), HOUR)
    always = first_opening(parse_hours({"mon-sun": ["00:00-24:00"]}), (NAIROBI,), window=window)
    assert (always.at, always.closes_at) == (window.not_before, None)


def test_hours_with_a_zone_are_shown_in_it() -> None:
    in_paris = parse_hours({"mon-fri": ["08:00-20:00"], "zone": "Europe/Paris"})
    found = first_opening(in_paris, (NAIROBI,), window=lasting(at("2030-06-03T21:00", PARIS), 24 * HOUR))
    assert found.wait_reason.endswith("2030-06-04 08:00 Europe/Paris")


def test_of_several_zones_the_one_that_opens_last_is_shown() -> None:
    assert (
        format_local_time(at("2030-06-04T11:00", COASTS[0]), COASTS) == "2030-06-04 08:00 America/Los_Angeles"
    )
