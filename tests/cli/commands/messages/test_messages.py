"""`dispatcher send`, `message show` and `lanes`."""

from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.cli.command import Run, refused
from tests.conftest import plain_url


def test_a_sent_message_is_shown_by_either_id(shop: Run) -> None:
    shop("sender", "add", "shop", "SHOP")
    sent = shop("send", "--to", "+254712345678", "--text", "Hello", "--not-before", "+2h", "--json")
    assert sent.code == 0
    [message] = sent.json["messages"]
    shown = shop("message", "show", str(message["id"]), "--json").json
    assert shown == shop("message", "show", message["public_id"], "--json").json | {
        "explanation": shown["explanation"],
        "found_by": "number of a message",
    }
    assert (shown["account"], shown["dialect"], shown["number"]) == ("shop", "cli", "+254712345678")
    assert [event["status"] for event in shown["events"]] == [message["status"]]
    assert message["status_name"] in shop("message", "show", str(message["id"])).out


@pytest.mark.parametrize("name", ["1", "999999999999999999", str(UUID(int=1))])
def test_an_unknown_message_is_refused(cli: Run, name: str) -> None:
    refused(cli("message", "show", name), 1, f"there is no message {name}")


@pytest.mark.parametrize("name", ["x", "1.5", "-", "9999999999999999999"])
def test_a_wrong_id_is_refused(cli: Run, name: str) -> None:
    refused(
        cli("message", "show", name), 1, f"there is no message {name}: no message or batch has this number"
    )


def test_a_bad_time_or_number_sends_nothing(shop: Run) -> None:
    to = ["send", "--text", "Hello", "--to"]
    refused(
        shop(*to, "+254712345678", "--not-before", "tomorrow"), 2, "--not-before 'tomorrow' is not a time"
    )
    refused(shop(*to, "twelve"), 2, "is not a phone number")
    refused(shop(*to, "+254712345678", "--sender", "NONE"), 1, "has no sender 'NONE'")
    refused(shop("message", "show", "1"), 1, "there is no message 1")


def test_send_needs_an_account(cli: Run) -> None:
    send = ["send", "--to", "+254712345678", "--text", "Hello"]
    refused(cli(*send), 1, "there is no account yet")
    cli("account", "create", "a")
    cli("account", "create", "b")
    refused(cli(*send), 2, "there are several accounts; choose one with --account: a, b")


def test_wait_ends_with_1_if_the_message_was_not_received(shop: Run) -> None:
    ended = shop(
        "send", "--to", "+254712345678", "--text", "Hello", "--not-before", "+1h", "--wait", "--timeout", "0"
    )
    assert ended.code == 1
    assert ended.out.splitlines()[0].split() == ["id", "number", "status"]


def test_lanes_without_traffic_are_empty_and_never_consumed(cli: Run) -> None:
    printed = cli("lanes", "--json").json
    assert printed["redis"] is True
    assert [lane["tier"] for lane in printed["lanes"]] == ["critical", "standard", "bulk"]
    assert {lane["last_consumed"] for lane in printed["lanes"]} == {None}
    assert "never" in cli("lanes").out


def one_message(shop: Run, *extra: str) -> dict[str, Any]:
    shop("sender", "add", "shop", "SHOP")
    sent = shop("send", "--to", "+254712345678", "--text", "Hi", "--not-before", "+2h", "--json", *extra)
    printed: dict[str, Any] = sent.json
    return printed


def test_a_message_is_found_by_each_id_of_its_batch(shop: Run) -> None:
    sent = one_message(shop)
    by_public_id = shop("message", "show", str(sent["public_id"]))
    assert by_public_id.out.startswith(
        f"{sent['public_id']} is the public id of a batch, whose only message this is.\n"
    )
    shown = shop("message", "show", str(sent["public_id"]), "--json").json
    assert (shown["found_by"], shown["batch_id"]) == ("public id of a batch", sent["batch_id"])


def test_an_id_without_its_dashes_and_that_of_an_event_find_the_message(shop: Run) -> None:
    [message] = one_message(shop)["messages"]
    tracking_id = UUID(message["public_id"]).hex
    for typed in (tracking_id, f"{tracking_id}-1"):
        assert shop("message", "show", typed, "--json").json["id"] == message["id"]


def test_the_id_of_a_batch_with_several_messages_lists_them(shop: Run) -> None:
    sent = one_message(shop, "--to", "+254712345679")
    shown = shop("message", "show", str(sent["public_id"]))
    assert shown.out.startswith(
        f"{sent['public_id']} is the public id of a batch, not of a single message.\n"
    )
    assert "messages   2: 2 × 28 No route" in shown.out
    assert "+254712345679" in shown.out
    printed = shop("message", "show", str(sent["public_id"]), "--json").json
    assert [message["id"] for message in printed["messages"]] == [m["id"] for m in sent["messages"]]


def test_an_external_id_and_a_providers_reference_find_the_message(shop: Run, database_url: str) -> None:
    sent = one_message(shop)
    [message] = sent["messages"]
    with psycopg.connect(plain_url(database_url), autocommit=True) as connection:
        connection.execute("UPDATE batches SET external_id = 'order {7}'")
        connection.execute(
            "INSERT INTO provider_references (provider, ref, message_id, attempt, part, at)"
            " VALUES ('sandbox', 'SM-77', %s, 1, 1, now())",
            [message["id"]],
        )
    assert shop("message", "show", "order {7}", "--json").json["id"] == message["id"]
    by_reference = shop("message", "show", "SM-77", "--json").json
    assert (by_reference["id"], by_reference["found_by"]) == (
        message["id"],
        "reference of a message at its provider",
    )


def test_a_messages_times_are_shown_in_utc_and_in_the_accounts_zone(shop: Run) -> None:
    shop("account", "create", "far", "--credits", "9", "--country", "KE", "--timezone", "Africa/Nairobi")
    shop("sender", "add", "far", "FAR")
    send = ("send", "--account", "far", "--to", "+254712345678", "--text", "Hi", "--not-before", "+2h")
    assert shop(*send).code == 0
    shown = shop("message", "show", "1").out
    assert "in Africa/Nairobi" in shown
    assert "UTC (" in shown.split("window")[1].splitlines()[0]
    [ended] = [line for line in shown.splitlines() if line.startswith("It was cancelled: ")]
    assert " UTC (" in ended.rpartition(", at ")[2]
