"""
Every provider is given the end of the window, or it is said here why it cannot be.

A new plug-in or recipe fails until it has its entry.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from dispatcher.domain.delivery.provider import Outgoing, Provider, ProviderConfig
from dispatcher.providers.generic_http.provider import HttpProvider
from dispatcher.providers.generic_http.recipe import recipe_names
from dispatcher.providers.smsgate import SmsGate
from dispatcher.providers.twilio import Twilio
from dispatcher.providers.vonage import Vonage
from dispatcher.smpp.pdu import write_time
from tests.providers.cases.bird import BIRD
from tests.providers.cases.infobip import INFOBIP
from tests.providers.cases.kannel import KANNEL, header
from tests.providers.cases.plivo import PLIVO
from tests.providers.cases.sinch import SINCH
from tests.providers.cases.smsgate import SMSGATE
from tests.providers.cases.twilio import TWILIO
from tests.providers.cases.vonage import VONAGE
from tests.providers.conformance import Case, a_message
from tests.providers.peer import Got, always, http_reply, listening
from tests.providers.transports import run

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = (timedelta(**{name: 1}) for name in ("seconds", "minutes", "hours", "days"))
WINDOWS = [
    timedelta(milliseconds=100), SECOND, 4.9 * SECOND, 20 * SECOND, 45.5 * SECOND, MINUTE, 119.9 * SECOND,
    10 * MINUTE, 3 * HOUR, 10.5 * HOUR, 2 * DAY, 2 * DAY + SECOND, 4 * DAY, 30 * DAY,
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class EndField:
    """How a provider is given the end of the window: the field, its bounds, and its grain."""

    name: str
    read: Callable[[Got], datetime]
    case: Case
    open: Callable[[ProviderConfig], Provider]
    shortest: timedelta = SECOND
    longest: timedelta | None = None
    grain: timedelta = SECOND


def recipe(config: ProviderConfig) -> Provider:
    return HttpProvider(config, clock=NOW.timestamp)


def in_seconds(path: str) -> Callable[[Got], datetime]:
    def read(got: Got) -> datetime:
        value: Any = got.document
        for step in path.split("."):
            value = value[int(step)] if step.isdigit() else value[step]
        assert type(value) is int
        return NOW + timedelta(seconds=value)

    return read


def form_field(got: Got, name: str) -> int:
    [value] = parse_qs(got.body.decode())[name]
    return int(value)


WINDOW_ENDS: dict[str, EndField | str] = {
    "infobip": EndField(
        "validityPeriod",
        in_seconds("messages.0.options.validityPeriod.amount"),
        INFOBIP,
        recipe,
        shortest=31 * SECOND,
        longest=2 * DAY,
    ),
    "plivo": EndField(
        "message_expiry",
        in_seconds("message_expiry"),
        PLIVO,
        recipe,
        shortest=5 * SECOND,
        longest=10_799 * SECOND,
    ),
    "sinch": EndField(
        "expire_at",
        lambda got: datetime.fromisoformat(str(got.document["expire_at"])),
        SINCH,
        recipe,
        shortest=5 * SECOND,
        longest=3 * DAY - MINUTE,
    ),
    "bird": EndField("validity", in_seconds("validity"), BIRD, recipe),
    "kannel": EndField(
        "X-Kannel-Validity",
        lambda got: NOW + int(header(got, "X-Kannel-Validity")) * MINUTE,
        KANNEL,
        recipe,
        shortest=MINUTE,
        grain=MINUTE,
    ),
    "telnyx": "its API has no such field in a request: `valid_until` is only in its answers",
    "twilio": EndField(
        "ValidityPeriod",
        lambda got: NOW + form_field(got, "ValidityPeriod") * SECOND,
        TWILIO,
        lambda config: Twilio(config, now=lambda: NOW),
        longest=10 * HOUR,
    ),
    "vonage": EndField(
        "ttl",
        lambda got: NOW + timedelta(milliseconds=form_field(got, "ttl")),
        VONAGE,
        lambda config: Vonage(config, now=lambda: NOW),
        shortest=20 * SECOND,
        longest=7 * DAY,
    ),
    "smsgate": EndField(
        "validUntil",
        lambda got: datetime.fromisoformat(str(got.document["validUntil"])),
        SMSGATE,
        SmsGate,
        shortest=timedelta(0),
    ),
    "smpp": "tested below: `validity_period` is an absolute time",
    "http": "by the placeholders of its options, as the recipes do",
}


def request_for(field: EndField, message: Outgoing) -> Got:
    async def work() -> Got:
        async with listening(always(http_reply(200, {}))) as peer:
            options = field.case.options("127.0.0.1", peer.port)
            provider = field.open(ProviderConfig("acme", field.case.name, options))
            await provider.send([message], lambda: True)
            await provider.close()
            [got] = peer.requests
            return got

    return run(work())


def test_every_plug_in_and_every_recipe_has_its_entry() -> None:
    plugins = {found.name for found in entry_points(group="sms_dispatcher.providers")}
    assert set(WINDOW_ENDS) == plugins | set(recipe_names())


@pytest.mark.parametrize("left", WINDOWS, ids=str)
@pytest.mark.parametrize("name", [name for name, field in WINDOW_ENDS.items() if isinstance(field, EndField)])
def test_the_end_that_a_provider_is_given_is_never_after_the_windows(name: str, left: timedelta) -> None:
    field = WINDOW_ENDS[name]
    assert isinstance(field, EndField)
    end = NOW + left
    given = field.read(request_for(field, replace(a_message(), not_after=end)))
    if left < field.shortest:  # a provider that can be given no shorter time
        assert given - NOW <= field.shortest
        assert given - NOW > field.shortest - SECOND
        return
    assert given <= end
    wanted = end if field.longest is None else min(end, NOW + field.longest)
    assert wanted - field.grain < given <= wanted


@pytest.mark.parametrize("left", WINDOWS, ids=str)
def test_the_end_in_smpp_is_never_after_the_windows(left: timedelta) -> None:
    text = write_time(NOW + left)
    given = datetime.strptime(text[:12], "%y%m%d%H%M%S").replace(tzinfo=UTC) + int(text[12]) * SECOND / 10
    assert text[13:] == "00+"
    assert timedelta(0) <= NOW + left - given < SECOND / 10


@pytest.mark.parametrize("name", [*recipe_names(), "twilio", "vonage", "smsgate", "smpp"])
def test_the_page_of_every_provider_says_how(name: str) -> None:
    page = Path(f"docs/providers/{name}.md").read_text(encoding="utf-8")
    field = WINDOW_ENDS[name]
    shown = field.name if isinstance(field, EndField) else {"telnyx": "valid_until", "smpp": "validity"}[name]
    [line] = [part for part in page.split("\n\n") if part.startswith("**The end of the window**")]
    assert f"`{shown}`" in line
