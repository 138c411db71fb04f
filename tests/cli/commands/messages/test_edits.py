"""`dispatcher message cancel`, `reschedule` and `text`: count, confirm, change."""

import io
import json
import os
from datetime import datetime, timedelta

import pytest

from dispatcher.sandbox.provider_options import http_options
from tests.cli.command import Run, refused

NUMBERS = ("--to", "+254712345678", "--to", "+254712345679")


def schedule_two(shop: Run) -> tuple[int, int]:
    """Schedule two messages for which there is a provider; return the ids of the batch and the first one."""
    provider = {"name": "away", "plugin": "http", "options": http_options("http://127.0.0.1:1")}
    os.environ["DISPATCHER_PROVIDERS"] = json.dumps([provider])
    shop("sender", "add", "shop", "SHOP")
    made = shop("send", "--text", "Hello", "--not-before", "+5d", "--json", *NUMBERS).json
    return made["batch_id"], made["messages"][0]["id"]


def test_a_batch_is_cancelled_without_confirmation(shop: Run) -> None:
    batch, message = schedule_two(shop)
    result = shop("message", "cancel", "--batch", str(batch), "--yes")
    assert (result.code, result.out) == (0, "cancelled: 2; credits refunded: 2\n")
    assert shop("message", "show", str(message), "--json").json["reason"] == "cancelled by an operator"
    again = shop("message", "cancel", "--batch", str(batch), "--yes", "--json")
    assert (again.code, again.json) == (
        1,
        {
            "changed": 0, "too_late": 2, "unchanged": 0, "refunded": 0, "charged": 0, "dry_run": False,
            "reasons": {}, "late": {"withdrawn": 2}, "to_come": 0, "left_out": {},
            "not_reached": 0, "next_run": None,
        },
    )  # fmt: skip
    assert shop("account", "show", "shop", "--json").json["balance"] == 100


@pytest.mark.parametrize(("answer", "code", "status"), [("y\n", 0, 90), ("n\n", 1, 10), ("", 1, 10)])
def test_the_confirmation_shows_how_many(
    shop: Run, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, status: int
) -> None:
    _, message = schedule_two(shop)
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    asked = shop("message", "cancel", "--everything")
    assert asked.code == code
    assert "To be cancelled: 2; credits refunded: 2. Continue? [y/N]" in asked.err
    assert shop("message", "show", str(message), "--json").json["status"] == status


def test_a_dry_run_only_counts(shop: Run) -> None:
    _, message = schedule_two(shop)
    result = shop("message", "text", str(message), "--text", "x" * 161, "--dry-run")
    assert result.out == "to be given a new text: 1; credits charged: 1\n"
    assert shop("message", "show", str(message), "--json").json["segments"] == 1


def test_a_window_is_set_or_shifted(shop: Run) -> None:
    batch, message = schedule_two(shop)
    first = shop("message", "show", str(message), "--json").json["not_before"]
    assert (
        shop("message", "reschedule", "--batch", str(batch), "--shift", "-1d", "--yes").out
        == "rescheduled: 2\n"
    )
    shop("message", "reschedule", str(message), "--shift", "+24h", "--yes")
    assert shop("message", "show", str(message), "--json").json["not_before"] == first
    assert (
        shop("message", "reschedule", str(message), "--not-before", "+1d", "--not-after", "+2d", "-y").code
        == 0
    )
    shown = shop("message", "show", str(message), "--json").json
    start, end = (datetime.fromisoformat(shown[name]) for name in ("not_before", "not_after"))
    assert end - start == timedelta(days=1)
    assert shown["reason"].startswith(f"rescheduled to {start:%Y-%m-%d %H:%M:%S} until")


def test_filters_narrow_the_selection(shop: Run) -> None:
    schedule_two(shop)
    for options, count in [
        (["--tier", "standard", "--status", "scheduled"], 2),
        (["--tier", "bulk"], 0),
        (["--status", "pending"], 0),
        (["--number", "0712345679"], 1),
        (["--sender", "SHOP"], 2),
        (["--not-before-from", "+4d", "--not-before-to", "+6d"], 2),
        (["--not-before-from", "+6d"], 0),
        (["--created-to", "2020-01-01"], 0),
        (["--account", "shop", "--everything"], 2),
    ]:
        assert shop("message", "cancel", *options, "--dry-run", "--json").json["changed"] == count, options


def test_a_wrong_edit_is_refused(shop: Run) -> None:
    _, message = schedule_two(shop)
    cancel = ["message", "cancel", "--yes"]
    refused(shop(*cancel), 2, "all messages of 'shop': add a condition, or set everything")
    refused(shop(*cancel, "x"), 2, "'x' is neither a number nor a public id")
    refused(shop(*cancel, "999"), 1, "there is no message 999")
    refused(shop(*cancel, "--batch", "999"), 1, "there is no batch 999")
    refused(shop(*cancel, "--campaign", "spring"), 1, "account 'shop' has no campaign 'spring'")
    refused(shop(*cancel, "--created-from", "soon"), 2, "--created-from 'soon' is not a time")
    reschedule = ["message", "reschedule", str(message), "--yes"]
    refused(shop(*reschedule), 2, "give either not_before, not_after or both, or a shift")
    refused(shop(*reschedule, "--shift", "2h"), 2, "--shift '2h' is not a shift")
    refused(shop(*reschedule, "--not-before", "+9d"), 2, "nothing was changed")
    refused(shop("message", "text", str(message), "--text", " ", "--yes"), 2, "a message needs a text")
