"""`dispatcher account hours`: set, show and clear allowed hours."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from dispatcher.cli.commands.accounts.hours import format_hours, read_hours
from dispatcher.domain.hours.allowed_hours import parse_hours
from tests.cli.command import Run, refused

DAYTIME = "mon-fri 08:00-20:00; sat 10:00-18:00"


def rows(printed: str) -> list[list[str]]:
    return [line.split(maxsplit=3) for line in printed.splitlines()[1:]]


def test_hours_without_a_tier_are_those_of_standard_and_bulk(shop: Run) -> None:
    expected = ["the", "account", DAYTIME]
    assert rows(shop("account", "hours", "shop", "--set", DAYTIME).out) == [
        ["critical", "-", "at", "any time"],
        ["standard", *expected],
        ["bulk", *expected],
    ]
    assert rows(shop("account", "hours", "shop", "--tier", "bulk").out) == [["bulk", *expected]]


def test_hours_can_be_set_and_cleared_for_a_named_tier(shop: Run) -> None:
    shop("account", "hours", "shop", "--set", DAYTIME)
    shop("account", "hours", "shop", "--set", "mon-sun 07:00-22:00", "--tier", "critical", "--tier", "bulk")
    printed = shop("account", "hours", "shop", "--clear", "--tier", "bulk", "--json").json
    assert printed["bulk"] is None
    assert printed["standard"]["hours"]["mon-fri"] == ["08:00-20:00"]
    assert printed["critical"] == {
        "hours": {"mon-sun": ["07:00-22:00"], "holidays": [], "zone": None},
        "is_own": True,
    }


def test_hours_of_the_settings_are_shown_as_such(shop: Run) -> None:
    os.environ["DISPATCHER_HOURS"] = '{"bulk": {"mon": ["08:00-20:00"]}}'
    assert rows(shop("account", "hours", "shop", "--tier", "bulk").out) == [
        ["bulk", "the", "settings", "mon 08:00-20:00"]
    ]


def test_hours_can_come_from_a_file(shop: Run, bare: Path) -> None:
    (bare / "hours.json").write_text(json.dumps({"sun": ["10:00-12:00"], "holidays": ["2030-12-25"]}))
    shown = shop("account", "hours", "shop", "--set", "hours.json", "--tier", "standard").out
    assert shown.splitlines()[2].endswith("sun 10:00-12:00; holidays 2030-12-25")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "funday 08:00-20:00"], '"funday" is not a day'),
        (["--set", "mon"], "'mon' has no hours: write hours like"),
        (["--set", "mon 08:00-09:00; mon 10:00-11:00"], "'mon 10:00-11:00' comes twice"),
        (["--set", ""], "no day has hours"),
        (["--set", "mon 08:00-09:00; zone Paris"], '"Paris" is not a time zone'),
        (["--set", "list.json"], 'list.json must hold an object like {"mon-fri": ["08:00-20:00"]}'),
        (["--set", "broken.json"], "broken.json is not JSON"),
        (["--set", DAYTIME, "--clear"], "--set and --clear contradict each other"),
    ],
)
def test_wrong_hours_change_nothing(shop: Run, bare: Path, options: Sequence[str], words: str) -> None:
    (bare / "list.json").write_text("[]")
    (bare / "broken.json").write_text("{")
    refused(shop("account", "hours", "shop", *options), 2, words)
    assert shop("account", "hours", "shop", "--json").json == dict.fromkeys(("critical", "standard", "bulk"))


def test_an_unknown_account_or_a_missing_file_is_refused(shop: Run) -> None:
    refused(shop("account", "hours", "nobody"), 1, "there is no account 'nobody'")
    refused(shop("account", "hours", "shop", "--set", "gone.json"), 1, "gone.json: No such file")


@pytest.mark.parametrize(
    "typed",
    [DAYTIME, "mon 08:00-12:00,14:00-18:00; holidays 2030-12-25,2030-12-26; zone Europe/Paris"],
)
def test_hours_are_shown_as_they_are_typed(typed: str) -> None:
    assert format_hours(read_hours(typed)) == typed


def test_spaces_and_a_semicolon_at_the_end_do_no_harm() -> None:
    typed = " mon-fri  08:00-12:00, 13:00-18:00 ;zone  Europe/Paris; "
    assert read_hours(typed) == parse_hours(
        {"mon-fri": ["08:00-12:00", "13:00-18:00"], "zone": "Europe/Paris"}
    )
