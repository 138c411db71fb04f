"""Providers at the command line: how they are, orders to them, and a message to try one."""

import json
import os
from collections.abc import Iterator

import pytest

from tests.cli.command import Run, refused
from tests.providers.peer import closed_port


@pytest.fixture
def two(cli: Run) -> Iterator[Run]:
    """Give a dispatcher with two providers that nobody answers for."""
    with closed_port() as port:
        options = {"url": f"http://127.0.0.1:{port}/send", "json": {"to": "{to}"}}
        ways = [
            {"name": name, "plugin": "http", "tps": 50, "options": options} for name in ("acme", "backup")
        ]
        os.environ["DISPATCHER_PROVIDERS"] = json.dumps(ways)
        yield cli


def test_the_list_tells_how_each_is_since_when_and_why(two: Run) -> None:
    assert two("provider", "pause", "acme", "--reason", "bills").out == "provider acme is paused\n"
    header, acme, backup = two("provider", "list").out.splitlines()
    assert header.split()[:4] == ["provider", "state", "since", "tried"]
    assert acme.split()[:2] == ["acme", "paused"]
    assert "bills (" in acme
    assert backup.split()[:2] == ["backup", "closed"]
    told = two("provider", "list", "--json").json
    assert [(one["name"], one["order"], one["out"]) for one in told] == [
        ("acme", "paused", 0),
        ("backup", "none", 0),
    ]


@pytest.mark.parametrize(
    ("verb", "state"),
    [
        ("pause", "paused"),
        ("resume", "closed"),
        ("drain", "drained"),
        ("pin", "pinned"),
        ("unpin", "closed"),
    ],
)
def test_each_order_says_what_the_provider_is_then(two: Run, verb: str, state: str) -> None:
    assert two("provider", verb, "acme").out == f"provider acme is {state}\n"


def test_the_story_has_each_order_the_newest_first(two: Run) -> None:
    two("provider", "drain", "acme", "--reason", "contract ends")
    two("provider", "resume", "acme")
    told = two("provider", "list", "--json").json[0]
    assert [(turn["to"], turn["cause"]) for turn in told["story"]] == [
        ("none", ""),
        ("drained", "contract ends"),
    ]
    assert "contract ends" in two("provider", "list", "--story").out


def test_an_order_to_a_provider_that_is_none_is_refused_with_those_there_are(two: Run) -> None:
    refused(two("provider", "pause", "acne"), 1, "there is no provider 'acne' in DISPATCHER_PROVIDERS")
    refused(two("provider", "test", "acne", "+254712345678"), 1, "there are: acme, backup")


def test_a_message_to_try_a_provider_tells_what_came_of_it(two: Run) -> None:
    tried = two("provider", "test", "acme", "+254712345678")
    assert tried.code == 1
    assert tried.out.startswith("acme surely did not get it: ")
    told = two("provider", "test", "acme", "+254712345678", "--json").json
    assert told["outcome"] == "unsent"
    refused(two("provider", "test", "acme", "0712345678"), 2, "must begin with + and a country code")
