"""
Allowed hours, in which a person may be disturbed: spans of local time by weekday, in the recipient's zones.

The rules are on the safe side. If a number may be in several zones, all of
them must be open. If a local time occurs twice, a span begins at the second
occurrence of its start and ends at the first occurrence of its end.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo

from dispatcher.domain.errors import Invalid
from dispatcher.domain.hours.local_time import first_instant, last_instant
from dispatcher.domain.hours.zones import parse_zone
from dispatcher.domain.messages.window import Window
from dispatcher.domain.spelling import likely_name

HORIZON = timedelta(days=400)  # how far ahead openings and closings are searched

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = timedelta(days=1)
_SPAN = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])\s*-\s*(?:([01]?[0-9]|2[0-3]):([0-5][0-9])|24:00)")


class DaySpan(NamedTuple):  # not a dataclass: it is hashed at each look-up in the cache below
    """A part of a day in local time: `start` is included, `end` (at most 24 h) is not."""

    start: timedelta  # since midnight
    end: timedelta


@dataclass(frozen=True, slots=True)
class AllowedHours:
    """
    The hours in which a person may be disturbed.

    `week` has the spans of Monday to Sunday, those of each day in order and
    not touching. Holidays are closed. Without a `zone`, the zones of the
    recipient count.
    """

    week: tuple[tuple[DaySpan, ...], ...]
    holidays: frozenset[date] = frozenset()
    zone: ZoneInfo | None = None

    def __post_init__(self) -> None:
        if len(self.week) != len(_DAYS):
            raise ValueError(f"a week has seven days, got {len(self.week)}")
        for spans in self.week:
            edges = [edge for span in spans for edge in span]
            if edges != sorted(set(edges)) or (edges and (edges[0] < timedelta() or edges[-1] > _DAY)):
                raise ValueError(f"the spans of a day must be in order and must not touch, got {spans}")

    def as_dict(self) -> dict[str, object]:
        """Return the document that parse_hours reads; successive days with the same hours are one entry."""
        written: dict[str, object] = {}
        for spans, group in groupby(range(len(_DAYS)), key=self.week.__getitem__):
            first, *others = group
            key = f"{_DAYS[first]}-{_DAYS[others[-1]]}" if others else _DAYS[first]
            if spans:
                written[key] = [f"{_clock(span.start)}-{_clock(span.end)}" for span in spans]
        written["holidays"] = [day.isoformat() for day in sorted(self.holidays)]
        written["zone"] = self.zone.key if self.zone else None
        return written


def parse_hours(value: Mapping[str, object]) -> AllowedHours:
    """
    Return the hours of a document.

    It is like {"mon-fri": ["08:00-20:00"], "holidays": ["2026-12-25"], "zone": null}.

    A span over midnight, such as "22:00-02:00", continues on the next day
    unless that is a holiday. Raises Invalid with the first fault.
    """
    week: list[list[DaySpan]] = [[] for _ in _DAYS]
    named_by: dict[int, str] = {}
    for key, texts in value.items():
        if key in ("holidays", "zone"):
            continue
        spans = [_span(text, key) for text in _list(texts, key)]
        for day in _days(key):
            if day in named_by:
                raise Invalid(
                    f'{_DAYS[day]} is named twice, in "{named_by[day]}" and in "{key}"; name each day once'
                )
            named_by[day] = key
            for start, end in spans:
                _add(week, day, start, end)
    if not any(week):
        raise Invalid('no day has hours; name at least one, like {"mon-fri": ["08:00-20:00"]}')
    holidays = frozenset(_date(text) for text in _list(value.get("holidays") or [], "holidays"))
    return AllowedHours(tuple(map(_merged, week)), holidays, _zone(value.get("zone")))


def opening(hours: AllowedHours, zones: Sequence[ZoneInfo], *, at: datetime) -> datetime | None:
    """
    Return the first instant from `at` on that is allowed in all zones, which may be `at` itself.

    None if there is none within 400 days. `zones` are ignored if the hours
    have a zone of their own.
    """
    return _opening(hours, zones, at, at + HORIZON)


def closing(
    hours: AllowedHours, zones: Sequence[ZoneInfo], *, at: datetime, until: datetime | None = None
) -> datetime | None:
    """
    Return the first instant from `at` on that is not allowed in one of the zones, which may be `at` itself.

    None if all zones stay open until `until`, or for 400 days.
    """
    until = min(until or at + HORIZON, at + HORIZON)
    ends = [_closing_in(hours, zone, at, until) for zone in _zones(hours, zones)]
    return min((end for end in ends if end is not None), default=None)


def next_open(hours: AllowedHours, zones: Sequence[ZoneInfo], *, window: Window) -> datetime | None:
    """Return when a message may first be sent; None if its window ends before the hours open."""
    return _opening(hours, zones, window.not_before, min(window.not_after, window.not_before + HORIZON))


def _opening(
    hours: AllowedHours, zones: Sequence[ZoneInfo], at: datetime, until: datetime
) -> datetime | None:
    """Return the first instant before `until` at which all zones are open: each zone in turn moves it on."""
    zones = _zones(hours, zones)
    found, agreed = at, 0
    while agreed < len(zones):
        for zone in zones:
            opens = _opening_in(hours, zone, found, until)
            if opens is None:
                return None
            agreed = agreed + 1 if opens == found else 1
            found = opens
    return found


def _opening_in(hours: AllowedHours, zone: ZoneInfo, at: datetime, until: datetime) -> datetime | None:
    for opens, _ in _openings_from(hours, zone, at, until):
        return max(at, opens) if opens < until else None
    return None


def _closing_in(hours: AllowedHours, zone: ZoneInfo, at: datetime, until: datetime) -> datetime | None:
    end = at
    for opens, closes in _openings_from(hours, zone, at, until):
        if opens > end:
            return end
        end = closes
    return end if end < until else None


def _openings_from(
    hours: AllowedHours, zone: ZoneInfo, at: datetime, until: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield the openings that end after `at`, in order, up to the day of `until`."""
    day, last = at.astimezone(zone).date(), until.astimezone(zone).date()
    while day <= last:
        for opens, closes in _openings_on(hours, zone, day):
            if at < closes:
                yield opens, closes
        day += _DAY


@lru_cache(maxsize=8192)
def _openings_on(hours: AllowedHours, zone: ZoneInfo, day: date) -> tuple[tuple[datetime, datetime], ...]:
    """
    Return the openings of one day in UTC.

    Each day is independent, because no zone turns its clocks back over
    midnight to the day before: none has since St. John's stopped in 2011.
    """
    if day in hours.holidays:
        return ()
    midnight = datetime.combine(day, time())
    spans = (
        (last_instant(midnight + span.start, zone), first_instant(midnight + span.end, zone))
        for span in hours.week[day.weekday()]
    )
    return tuple((opens, closes) for opens, closes in spans if opens < closes)


def _zones(hours: AllowedHours, zones: Sequence[ZoneInfo]) -> Sequence[ZoneInfo]:
    if hours.zone is None and not zones:
        raise ValueError("hours without a zone need the zones of the recipient")
    return (hours.zone,) if hours.zone else zones


def _list(value: object, key: str) -> list[object]:
    if not isinstance(value, list):
        raise Invalid(f'"{key}" must be a list, got {value!r}')
    return value


def _days(key: str) -> list[int]:
    """Return the days of "mon" or "fri-mon" as numbers from 0, Monday."""
    first, dash, last = (part.strip().lower() for part in key.partition("-"))
    if first not in _DAYS or (dash and last not in _DAYS):
        likely = likely_name(key, (*_DAYS, "holidays", "zone"))
        advice = f"did you mean {likely}?" if likely else f"write one of {', '.join(_DAYS)}"
        raise Invalid(f'"{key}" is not a day; {advice} A range is written like "mon-fri"')
    start = _DAYS.index(first)
    length = (_DAYS.index(last) - start) % len(_DAYS) if dash else 0
    return [(start + ahead) % len(_DAYS) for ahead in range(length + 1)]


def _span(text: object, key: str) -> DaySpan:
    """Return the span of a text like "08:00-20:00"; if it crosses midnight, `end` is more than 24 h."""
    match = _SPAN.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise Invalid(f'"{key}" has {text!r}, which is not a span of time; write one like "08:00-20:00"')
    hour, minute, end_hour, end_minute = (int(part) if part else None for part in match.groups())
    start = timedelta(hours=hour or 0, minutes=minute or 0)
    end = _DAY if end_hour is None else timedelta(hours=end_hour, minutes=end_minute or 0)
    if start == end:
        raise Invalid(f'"{key}" has {text!r}, which is empty; for the whole day write "00:00-24:00"')
    return DaySpan(start, end if start < end else end + _DAY)


def _add(week: list[list[DaySpan]], day: int, start: timedelta, end: timedelta) -> None:
    week[day].append(DaySpan(start, min(end, _DAY)))
    if end > _DAY:
        week[(day + 1) % len(_DAYS)].append(DaySpan(timedelta(), end - _DAY))


def _merged(spans: list[DaySpan]) -> tuple[DaySpan, ...]:
    """Return the spans of a day in order, with those that touch joined."""
    merged: list[DaySpan] = []
    for span in sorted(spans):
        if merged and span.start <= merged[-1].end:
            merged[-1] = DaySpan(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return tuple(merged)


def _date(text: object) -> date:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        raise Invalid(f'"holidays" has {text!r}, which is not a date; write one like "2026-12-25"') from None


def _zone(name: object) -> ZoneInfo | None:
    if name is None:
        return None
    return parse_zone(str(name))


def _clock(length: timedelta) -> str:
    hours, minutes = divmod(length // timedelta(minutes=1), 60)
    return f"{hours:02}:{minutes:02}"
