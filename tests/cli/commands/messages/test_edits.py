"""Edits at the command line: counted, asked about, done."""

import io
import json
import os
from datetime import datetime, timedelta

import pytest

from dispatcher.sandbox.provider_options import http_options
from tests.cli.command import Run, refused

NUMBERS = ("--to", "+254712345678", "--to", "+254712345679")


def sent(shop: Run) -> tuple[int, int]:
    """Schedule two messages, for which there is a provider; give the batch and the first message."""
    provider = {"name": "away", "plugin": "http", "options": http_options("http://127.0.0.1:1")}
    os.environ["DISPATCHER_PROVIDERS"] = json.dumps([provider])
    shop("sender", "add", "shop", "SHOP")
    made = shop("send", "--text", "Hello", "--not-before", "+5d", "--json", *NUMBERS).json
    return made["batch_id"], made["messages"][0]["id"]


def test_a_batch_is_cancelled_without_a_question(shop: Run) -> None:
    batch, message = sent(shop)
    done = shop("message", "cancel", "--batch", str(batch), "--yes")
    assert (done.code, done.out) == (0, "cancelled: 2; credits given back: 2\n")
    assert shop("message", "show", str(message), "--json").json["reason"] == "cancelled by an operator"
    again = shop("message", "cancel", "--batch", str(batch), "--yes", "--json")
    assert (again.code, again.json) == (
        1,
        {
            "changed": 0, "too_late": 2, "unchanged": 0, "refunded": 0, "charged": 0, "dry_run": False,
            "reasons": {},
        },
    )  # fmt: skip
    assert shop("account", "show", "shop", "--json").json["balance"] == 100


@pytest.mark.parametrize(("answer", "code", "status"), [("y\n", 0, 90), ("n\n", 1, 10), ("", 1, 10)])
def test_a_question_tells_how_many(
    shop: Run, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, status: int
) -> None:
    _, message = sent(shop)
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    asked = shop("message", "cancel", "--everything")
    assert asked.code == code
    assert "To be cancelled: 2; credits given back: 2. Go on? [y/N]" in asked.err
    assert shop("message", "show", str(message), "--json").json["status"] == status


def test_a_dry_run_only_counts(shop: Run) -> None:
    _, message = sent(shop)
    told = shop("message", "text", str(message), "--text", "x" * 161, "--dry-run")
    assert told.out == "to be given another text: 1; credits charged: 1\n"
    assert shop("message", "show", str(message), "--json").json["segments"] == 1


def test_a_window_is_given_or_shifted(shop: Run) -> None:
    batch, message = sent(shop)
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


def test_filters_narrow_what_is_meant(shop: Run) -> None:
    sent(shop)
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


def test_what_means_nothing_is_refused(shop: Run) -> None:
    _, message = sent(shop)
    cancel = ["message", "cancel", "--yes"]
    refused(shop(*cancel), 2, "all messages of 'shop': narrow it down, or ask for everything")
    refused(shop(*cancel, "x"), 2, "'x' is neither a number nor a public id")
    refused(shop(*cancel, "999"), 1, "there is no message 999")
    refused(shop(*cancel, "--batch", "999"), 1, "there is no batch 999")
    refused(shop(*cancel, "--campaign", "spring"), 1, "account 'shop' has no campaign 'spring'")
    refused(shop(*cancel, "--created-from", "soon"), 2, "--created-from 'soon' is no time")
    reschedule = ["message", "reschedule", str(message), "--yes"]
    refused(shop(*reschedule), 2, "give either not_before, not_after or both, or a shift")
    refused(shop(*reschedule, "--shift", "2h"), 2, "--shift '2h' is no shift")
    refused(shop(*reschedule, "--not-before", "+9d"), 2, "nothing was changed")
    refused(shop("message", "text", str(message), "--text", " ", "--yes"), 2, "a message needs a text")
