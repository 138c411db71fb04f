"""`dispatcher send`, `message show` and `lanes`."""

from uuid import UUID

import pytest

from tests.cli.command import Run, refused


def test_a_sent_message_is_shown_by_either_id(shop: Run) -> None:
    shop("sender", "add", "shop", "SHOP")
    sent = shop("send", "--to", "+254712345678", "--text", "Hello", "--not-before", "+2h", "--json")
    assert sent.code == 0
    [message] = sent.json["messages"]
    shown = shop("message", "show", str(message["id"]), "--json").json
    assert shown == shop("message", "show", message["public_id"], "--json").json | {
        "explanation": shown["explanation"]
    }
    assert (shown["account"], shown["dialect"], shown["number"]) == ("shop", "cli", "+254712345678")
    assert [event["status"] for event in shown["events"]] == [message["status"]]
    assert message["status_name"] in shop("message", "show", str(message["id"])).out


@pytest.mark.parametrize("name", ["1", "999999999999999999", str(UUID(int=1))])
def test_an_unknown_message_is_refused(cli: Run, name: str) -> None:
    refused(cli("message", "show", name), 1, f"there is no message {name}")


@pytest.mark.parametrize("name", ["x", "1.5", "-", "9999999999999999999"])
def test_a_wrong_id_is_refused(cli: Run, name: str) -> None:
    refused(cli("message", "show", name), 1, f"'{name}' is neither a message's number nor its public id")


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
