"""`dispatcher account`: create, top up, limit, pause, show."""

import json
import os
from collections.abc import Sequence

import pytest

from dispatcher.sandbox.provider_options import http_options
from tests.cli.command import Run, refused


def test_a_new_account_is_shown_and_listed_as_created(cli: Run) -> None:
    created = cli(
        "account", "create", "shop", "--credits", "1000", "--country", "KE", "--timezone", "Africa/Nairobi"
    )
    assert (created.code, created.out) == (0, "shop: 1,000 credits, KE, times in Africa/Nairobi\n")
    assert cli("account", "show", "shop").out == created.out
    header, row = cli("account", "list").out.splitlines()
    assert header.split() == ["id", "name", "credits", "country", "time", "zone", "paused"]
    assert row.split() == ["1", "shop", "1,000", "KE", "Africa/Nairobi"]


def test_an_account_is_printed_as_json(cli: Run) -> None:
    limits = {"rate": None, "daily": None, "tier": None, "countries": None}
    expected = {
        "id": 1,
        "name": "shop",
        "balance": 0,
        "default_country": None,
        "timezone": "UTC",
        "limits": limits,
        "paused": False,
    }
    assert cli("account", "create", "shop", "--json").json == expected | {"senders": []}
    assert cli("account", "show", "shop", "--json").json == expected | {"senders": []}
    assert cli("account", "list", "--json").json == [expected]


def test_without_accounts_the_list_is_empty(cli: Run) -> None:
    assert cli("account", "list", "--json").json == []


def test_a_name_that_is_taken_is_refused(shop: Run) -> None:
    refused(shop("account", "create", "shop"), 1, "there is an account 'shop' already")
    assert len(shop("account", "list", "--json").json) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--timezone", "Mars/Olympus"], "'Mars/Olympus' is not a time zone"),
        (["--timezone", "../../etc/passwd"], "is not a time zone"),
        (["--country", "kenya"], "'kenya' is not a country"),
        (["--credits", "-1"], "-1 is not a valid amount of credits"),
    ],
)
def test_a_bad_option_makes_no_account(cli: Run, options: Sequence[str], words: str) -> None:
    refused(cli("account", "create", "shop", *options), 2, words)
    assert cli("account", "list", "--json").json == []


def test_an_account_needs_a_name(cli: Run) -> None:
    refused(cli("account", "create", "  "), 2, "an account's name has 1 to 100 printable characters")


def test_a_top_up_adds_to_the_balance(shop: Run) -> None:
    assert (
        shop("account", "topup", "shop", "2500", "--note", "invoice 7").out == "shop has 2,600 credits now\n"
    )
    assert shop("account", "topup", "shop", "1", "--json").json == {"name": "shop", "balance": 2601}


@pytest.mark.parametrize("amount", ["0", "1000000000000001"])
def test_a_bad_amount_changes_no_balance(shop: Run, amount: str) -> None:
    refused(shop("account", "topup", "shop", amount), 2, f"{amount} is not a valid amount of credits")
    assert shop("account", "show", "shop", "--json").json["balance"] == 100


def test_a_top_up_that_is_not_a_number_is_a_usage_error(shop: Run) -> None:
    ended = shop("account", "topup", "shop", "lots")
    assert ended.code == 2
    assert "Invalid value for 'amount'" in ended.err


@pytest.mark.parametrize(
    "command",
    [
        ["account", "show", "nobody"],
        ["account", "topup", "nobody", "5"],
        ["account", "limit", "nobody", "--rate", "1"],
        ["account", "pause", "nobody"],
        ["account", "statement", "nobody"],
        ["key", "create", "nobody"],
        ["key", "list", "nobody"],
        ["key", "revoke", "nobody", "1"],
        ["template", "list", "nobody"],
        ["optout", "add", "nobody", "+254712345678"],
        ["sender", "add", "nobody", "SHOP"],
        ["sender", "list", "nobody"],
        ["send", "--account", "nobody", "--to", "+254712345678", "--text", "Hello"],
    ],
)
def test_an_unknown_account_is_refused_by_name(cli: Run, command: Sequence[str]) -> None:
    refused(cli(*command), 1, "there is no account 'nobody'")


@pytest.mark.parametrize(
    "command", [["account", "create"], ["account", "show"], ["account", "topup", "shop", "1", "--note"]]
)
def test_arguments_that_are_not_utf8_are_refused(cli: Run, command: Sequence[str]) -> None:
    refused(cli(*command, "caf\udce9"), 2, "the argument 'caf\\udce9' is not UTF-8")


def test_a_limit_that_is_not_named_stays_and_none_lifts_one(shop: Run) -> None:
    created = shop("account", "limit", "shop", "--rate", "60", "--tier", "standard", "--countries", "UG,KE")
    assert (
        created.out.splitlines()[1]
        == "  limits: 60 requests per minute; no tier above standard; only to KE, UG"
    )
    changed = shop("account", "limit", "shop", "--daily", "5000", "--tier", "none", "--json").json
    assert changed["limits"] == {"rate": 60, "daily": 5000, "tier": None, "countries": ["KE", "UG"]}
    assert shop("account", "show", "shop", "--json").json["limits"] == changed["limits"]
    lifted = shop("account", "limit", "shop", "--rate", "none", "--daily", "none", "--countries", "none")
    assert "limits" not in lifted.out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "nothing to change: give --rate, --daily, --tier or --countries"),
        (["--rate", "0"], "0 is not a rate"),
        (
            ["--rate", "fast"],
            "--rate 'fast' is not a number: give a whole number up to 1,000,000,000, or none",
        ),
        (["--daily", "-1"], "--daily '-1' is not a number"),
        (["--daily", "99999999999"], "--daily '99999999999' is not a number"),
        (["--tier", "urgent"], "--tier 'urgent' is not a tier: give critical, standard, bulk"),
        (["--countries", "KE,kenya"], "'kenya' is not a country"),
        (["--countries", ""], "'' is not a country"),
    ],
)
def test_a_wrong_limit_changes_nothing(shop: Run, options: Sequence[str], words: str) -> None:
    shop("account", "limit", "shop", "--rate", "60")
    refused(shop("account", "limit", "shop", *options), 2, words)
    assert shop("account", "show", "shop", "--json").json["limits"]["rate"] == 60


def test_a_paused_account_is_refused_until_it_is_resumed(shop: Run) -> None:
    send = ["send", "--to", "+254712345678", "--text", "Hello"]
    assert "  paused: its submissions are refused\n" in shop("account", "pause", "shop").out
    assert "paused" in shop("account", "show", "shop").out
    assert shop("account", "list").out.splitlines()[1].split()[-1] == "yes"
    assert shop(*send).code == 1
    assert shop("account", "resume", "shop", "--json").json["paused"] is False
    assert shop(*send).code == 0


def test_a_statement_lists_each_change_the_newest_first(shop: Run) -> None:
    options = http_options(
        "http://127.0.0.1:1", receipt_url="http://127.0.0.1:1/", receipt_secret="never comes"
    )
    os.environ["DISPATCHER_PROVIDERS"] = json.dumps([{"name": "away", "plugin": "http", "options": options}])
    shop("sender", "add", "shop", "SHOP")
    shop("send", "--to", "+254712345678", "--text", "Hello", "--not-before", "+1h")
    shop("account", "topup", "shop", "1000", "--note", "invoice 7")
    header, newest, charge, opening = shop("account", "statement", "shop").out.splitlines()
    assert header.split() == ["id", "at", "(UTC)", "what", "credits", "of", "note"]
    assert newest.split()[3:] == ["topup", "1,000", "-", "invoice", "7"]
    assert charge.split()[3:] == ["charge", "-1", "batch", "1"]
    assert opening.split()[3:] == ["topup", "100", "-", "opening", "balance"]


def test_a_statement_continues_before_an_entry(shop: Run) -> None:
    for amount in ("1", "2", "3"):
        shop("account", "topup", "shop", amount)
    page = shop("account", "statement", "shop", "--limit", "2", "--json").json
    assert [entry["amount"] for entry in page] == [3, 2]
    rest = shop("account", "statement", "shop", "--before", str(page[-1]["id"]), "--json").json
    assert [entry["amount"] for entry in rest] == [1, 100]


def test_the_callback_secret_is_shown_only_on_request(shop: Run) -> None:
    assert "whsec_" not in shop("account", "show", "shop").out
    assert "callback_secret" not in shop("account", "show", "shop", "--json").json
    assert "  callbacks are signed with whsec_" in shop("account", "show", "shop", "--secret").out
    assert shop("account", "show", "shop", "--secret", "--json").json["callback_secret"].startswith("whsec_")


def test_the_callback_secret_is_rotated_with_an_overlap(shop: Run) -> None:
    first = shop("account", "show", "shop", "--secret", "--json").json["callback_secret"]
    made = shop("account", "rotate-secret", "shop", "--overlap", "2h", "--json").json
    assert made["previous_callback_secret"] == first
    printed = shop("account", "show", "shop", "--secret").out
    assert f"  callbacks are signed with {made['callback_secret']}\n  and with {first} until " in printed
    rotate = "account", "rotate-secret", "shop"
    refused(shop(*rotate), 1, "the last rotation of the callback secret of 'shop' is not over")
    refused(shop(*rotate, "--overlap", "31d"), 2, "for 0 to 30 days more, not for 31 d")
    refused(shop(*rotate, "--overlap", "soon"), 2, "--overlap 'soon' is not a duration")
    ended = shop(*rotate, "--overlap", "0s")
    assert ended.out.startswith("callbacks are signed with whsec_")
    assert ended.out.count("\n") == 1
