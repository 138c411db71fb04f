from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.delivery.provider import Outgoing
from dispatcher.domain.tier import Tier
from dispatcher.providers.generic_http.template import (
    PLACEHOLDERS,
    WINDOW_END,
    check_placeholders,
    fill,
    fill_fields,
    fill_json,
    message_values,
)

MESSAGE = Outgoing("m-1", "+254701234567", None, "hi {to}", 2, Tier.BULK, 3, datetime(2026, 3, 1, tzinfo=UTC))
NOON = datetime(2026, 3, 1, 12, 0, 0, 900_000, UTC)
VALUES = message_values(
    MESSAGE,
    receipt_url="https://d.example/receipts/acme",
    names=[*PLACEHOLDERS, *WINDOW_END],
    time_left=lambda _: (NOON, timedelta(seconds=119, milliseconds=999)),
)


def test_every_placeholder_has_a_value() -> None:
    template = "{to} {to_digits} {reference} {segments} {attempt} {tier} {not_after} {receipt_url} [{sender}]"
    check_placeholders(template)
    assert fill(template, VALUES) == (
        "+254701234567 254701234567 m-1 2 3 bulk 2026-03-01T00:00:00+00:00 https://d.example/receipts/acme []"
    )


def test_the_time_left_is_rounded_down_and_never_nothing() -> None:
    assert fill("{seconds_left} {minutes_left} {expires_at}", VALUES) == "119 1 2026-03-01T12:02:00.000Z"
    assert WINDOW_END["minutes_left"](NOON, timedelta(seconds=59)) == 1


def test_a_value_is_never_read_as_a_template() -> None:
    assert fill("{text}", VALUES) == "hi {to}"


def test_a_string_that_is_one_placeholder_keeps_the_type() -> None:
    assert fill_json({"n": "{segments}", "s": "n={segments}"}, VALUES) == {"n": 2, "s": "n=2"}


def test_a_member_without_a_value_is_left_out_and_a_literal_null_stays() -> None:
    assert fill_json({"from": "{sender}", "flash": None, "deep": [{"x": "{sender}"}]}, VALUES) == {
        "flash": None,
        "deep": [{}],
    }


def test_a_field_without_a_value_is_left_out() -> None:
    assert fill_fields({"from": "{sender}", "to": "{to}"}, VALUES) == {"to": "+254701234567"}


def test_doubled_braces_are_braces() -> None:
    check_placeholders("{{to}} {{{to}}}")
    assert fill("{{to}} {{{to_digits}}}", VALUES) == "{to} {254701234567}"


@pytest.mark.parametrize(
    "template", ["{nobody}", "{to.__class__}", "{to[0]}", "{to!r}", "{}", "{0}", "{", "a } b"]
)
def test_nothing_but_a_known_name_is_a_placeholder(template: str) -> None:
    with pytest.raises(ValueError, match=r"placeholder|single"):
        check_placeholders({"deep": [template]})


@given(st.text())
def test_a_template_that_is_checked_can_be_filled(template: str) -> None:
    try:
        check_placeholders(template)
    except ValueError:
        return
    fill(template, VALUES)
