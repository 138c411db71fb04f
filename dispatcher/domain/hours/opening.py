"""When one message may go out by its allowed hours, and how people are told of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from dispatcher.domain.hours.allowed_hours import AllowedHours, closing, next_open
from dispatcher.domain.messages.window import Window

WAITS_FOR_HOURS = "waits for allowed hours"

_LOOK_ON = timedelta(days=14)  # past the window's end, for people who ask when hours would have opened


@dataclass(frozen=True, slots=True)
class SendOpening:
    """
    The first stretch of allowed hours that a message may be sent in.

    `at` is inside, `closes_at` outside; `at` None means that none comes soon,
    `closes_at` None that none ends as long as it matters.
    """

    at: datetime | None
    closes_at: datetime | None = None
    zones: Sequence[ZoneInfo] = ()

    def serves(self, window: Window) -> bool:
        """Tell whether it begins before the window ends."""
        return self.at is not None and self.at < window.not_after

    @property
    def awaited(self) -> str:
        """Say what a message waits for."""
        return f"{WAITS_FOR_HOURS}: {self._told}"

    @property
    def missed(self) -> str:
        """Say why a message is not sent at all."""
        opens = "no opening comes soon" if self.at is None else f"opens {self._told}"
        return f"outside allowed hours ({opens}) and its window is over by then"

    @property
    def _told(self) -> str:
        return "?" if self.at is None else format_local_time(self.at, self.zones)


def first_opening(hours: AllowedHours, zones: Sequence[ZoneInfo], *, window: Window) -> SendOpening:
    """
    Find the first stretch of allowed hours from the window's start on.

    It may begin after the window's end, up to 14 days: nothing is sent then,
    but people can be told.
    """
    until = window.not_after + _LOOK_ON
    zones = (hours.zone,) if hours.zone else zones
    at = next_open(hours, zones, window=Window(window.not_before, until))
    if at is None:
        return SendOpening(None, None, zones)
    return SendOpening(at, closing(hours, zones, at=at, until=until), zones)


def format_local_time(at: datetime, zones: Sequence[ZoneInfo]) -> str:
    """Write an instant as a clock shows it in the westernmost of the zones: there hours open last."""
    local = min((at.astimezone(zone) for zone in zones), key=lambda local: local.replace(tzinfo=None))
    return f"{local:%Y-%m-%d %H:%M} {local.tzinfo}"
