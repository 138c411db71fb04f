"""`dispatcher route`: set, check, show, and the route of one number."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command import Run, refused

PROVIDERS = [
    {
        "name": name,
        "plugin": "http",
        "options": {"url": "http://127.0.0.1:1/", "json": {"to": "{to}"}, "reference": {"path": "id"}},
        **more,
    }
    for name, more in (("alpha", {}), ("beta", {"prices": {"KE": 0.01}}), ("gamma", {"countries": ["FR"]}))
]
TABLE = {
    "rules": [
        {"countries": ["FR"], "tiers": ["bulk"], "ways": [{"alpha": 3, "gamma": 1}, ["beta"]]},
        {"countries": ["KE", "UG"], "accounts": ["shop"], "ways": [["alpha", "beta"]], "order": "cheapest"},
        {"countries": ["CU"], "ways": []},
        {"ways": [["beta"]]},
    ],
    "senders": {
        "FR": {"alphanumeric": "forbidden", "replace_with": "38080"},
        "KE": {"alphanumeric": "registered", "registered": ["SHOP", "BANK"]},
    },
}

Put = Callable[[object], str]


@pytest.fixture
def shop(shop: Run) -> Run:
    """Return `run` on a dispatcher with an account `shop` and three providers."""
    os.environ["DISPATCHER_PROVIDERS"] = json.dumps(PROVIDERS)
    return shop


@pytest.fixture
def file(bare: Path) -> Put:
    """Return a function that writes a table to a file and returns its name."""

    def put(table: object) -> str:
        (bare / "routes.json").write_text(json.dumps(table))
        return "routes.json"

    return put


def test_a_table_is_set_and_shown(shop: Run, file: Put) -> None:
    assert shop("route", "show").out.startswith("no routes are set: ")
    assert shop("route", "set", file(TABLE)).out == "the routes are set\n"
    first, *lines = shop("route", "show").out.splitlines()
    assert first.startswith("set at ")
    assert first.endswith(" UTC by the command line")
    assert [line.split(maxsplit=1) for line in lines[:5]] == [
        ["rule", "for                              ways"],
        ["1", "countries FR; tiers bulk         alpha 75 % or gamma 25 %, then beta"],
        ["2", "countries KE, UG; accounts shop  the cheapest of alpha, beta"],
        ["3", "countries CU                     no route"],
        ["4", "all                              beta"],
    ]
    assert lines[5:] == [
        "senders in FR: names are forbidden; 38080 replaces others",
        "senders in KE: names are registered: BANK, SHOP",
    ]
    shown = shop("route", "show", "--json").json
    assert (shown["document"], shown["set_by"]) == (TABLE, "the command line")


def test_an_empty_table_removes_the_routes(shop: Run, file: Put) -> None:
    shop("route", "set", file(TABLE))
    assert shop("route", "set", file({}), "--json").json == {"warnings": []}
    assert (
        shop("route", "show", "+33612345678").out.splitlines()[-1] == "route    alpha, then beta, then gamma"
    )


def test_show_with_a_number_explains_its_route(shop: Run, file: Put) -> None:
    shop("route", "set", file(TABLE))
    french = shop("route", "show", "+33612345678", "--tier", "bulk", "--sender", "SHOP")
    assert french.out.splitlines() == [
        "country  FR",
        "rule 1   yes, it is for countries FR; tiers bulk",
        "group 1  alpha 75 % or gamma 25 %",
        "group 2  beta",
        "sender   SHOP may not be used in FR: 38080 is shown instead",
        "route    alpha 75 % or gamma 25 %, then beta",
    ]
    kenyan = shop("route", "show", "0712345678", "--account", "shop", "--sender", "SHOP", "--json").json
    assert [step["found"] for step in kenyan] == [
        "KE",
        "no, it is for the countries FR",
        "yes, it is for countries KE, UG; accounts shop",
        "beta, 0.01 a segment",
        "alpha, without a price",
        "SHOP",
        "beta, then alpha",
    ]
    assert shop("route", "show", "+254712345678").out.splitlines()[-1] == "route    beta"
    test = shop("route", "show", "+254712345678", "--test").out.splitlines()
    assert test[-1] == ("route    none: status 28, no provider of rule 4 for KE: beta: it takes no tests")


def test_a_check_warns_and_sets_nothing(shop: Run, file: Put) -> None:
    table = {"rules": [{"ways": [["beta"]]}, {"ways": [["alpha"]]}]}
    ended = shop("route", "check", file(table))
    assert (ended.code, ended.out) == (0, "the routes can be set\n")
    assert ended.err == "warning: rule 2 is never reached: rule 1 matches all its messages\n"
    assert shop("route", "show", "--json").json["set_by"] is None


@pytest.mark.parametrize("command", ["set", "check"])
def test_a_wrong_table_is_refused_with_all_its_faults(shop: Run, file: Put, command: str) -> None:
    wrong = {"rules": [{"ways": [["zeta"]], "countries": ["fr"]}, {"accounts": ["nobody"], "ways": []}]}
    ended = shop("route", command, file(wrong))
    refused(ended, 2, "rule 1, countries: 'fr' is not a country")
    assert "rule 1, ways: there is no provider 'zeta'; there are: alpha, beta, gamma" in ended.err
    assert "rule 2, accounts: there is no account 'nobody'" in ended.err
    assert shop("route", "show", "--json").json["document"] == {}


def test_a_file_must_hold_a_table(shop: Run, bare: Path, file: Put) -> None:
    refused(shop("route", "set", file([])), 2, "routes.json must hold an object")
    (bare / "routes.json").write_text("{")
    refused(shop("route", "set", "routes.json"), 2, "routes.json is not JSON")
    refused(shop("route", "set", "gone.json"), 1, "gone.json: No such file")


def test_a_route_needs_a_valid_number_and_a_known_account(shop: Run) -> None:
    refused(shop("route", "show", "twelve"), 2, "twelve")
    refused(shop("route", "show", "0712345678"), 2, "0712345678")
    refused(shop("route", "show", "+254712345678", "--account", "nobody"), 1, "there is no account 'nobody'")


def test_a_message_shows_its_route(shop: Run, file: Put) -> None:
    shop("sender", "add", "shop", "SHOP")
    shop("route", "set", file(TABLE))
    sent = shop("send", "--to", "+254712345678", "--text", "Hello", "--not-before", "+2h", "--json").json
    shown = shop("message", "show", str(sent["messages"][0]["id"])).out
    assert "Its route is beta, then alpha, by rule 2 of the routes." in shown
