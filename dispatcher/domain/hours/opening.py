"""When one message may be sent by its allowed hours, and the texts for people about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from dispatcher.domain.hours.allowed_hours import AllowedHours, closing, next_open
from dispatcher.domain.messages.window import Window

WAITS_FOR_HOURS = "waits for allowed hours"

_LOOK_AHEAD = timedelta(days=14)  # past the window's end, to say when hours would have opened


@dataclass(frozen=True, slots=True)
class SendOpening:
    """
    The first period of allowed hours in which a message may be sent.

    `at` is included, `closes_at` is not. `at` None means that there is no
    such period soon, `closes_at` None that it does not end soon.
    """

    at: datetime | None
    closes_at: datetime | None = None
    zones: Sequence[ZoneInfo] = ()

    def serves(self, window: Window) -> bool:
        """Return whether it begins before the window ends."""
        return self.at is not None and self.at < window.not_after

    @property
    def wait_reason(self) -> str:
        """The reason of a message that waits for this opening."""
        return f"{WAITS_FOR_HOURS}: {self._local_time}"

    @property
    def miss_reason(self) -> str:
        """The reason of a message that cannot be sent, because this opening is too late."""
        opens = "no opening comes soon" if self.at is None else f"opens {self._local_time}"
        return f"outside allowed hours ({opens}) and its window is over by then"

    @property
    def _local_time(self) -> str:
        return "?" if self.at is None else format_local_time(self.at, self.zones)


def first_opening(hours: AllowedHours, zones: Sequence[ZoneInfo], *, window: Window) -> SendOpening:
    """
    Return the first period of allowed hours from the window's start on.

    It may begin up to 14 days after the window's end, so that a text for
    people can say when the hours would have opened.
    """
    until = window.not_after + _LOOK_AHEAD
    zones = (hours.zone,) if hours.zone else zones
    at = next_open(hours, zones, window=Window(window.not_before, until))
    if at is None:
        return SendOpening(None, None, zones)
    return SendOpening(at, closing(hours, zones, at=at, until=until), zones)


def format_local_time(at: datetime, zones: Sequence[ZoneInfo]) -> str:
    """Return an instant in the local time of the westernmost zone, where hours open last."""
    local = min((at.astimezone(zone) for zone in zones), key=lambda local: local.replace(tzinfo=None))
    return f"{local:%Y-%m-%d %H:%M} {local.tzinfo}"
