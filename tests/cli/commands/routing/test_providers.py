"""`dispatcher provider`: list, override, test."""

import asyncio
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from dispatcher.domain.delivery.provider import Deferred
from dispatcher.lanes.connect import open_async_redis
from dispatcher.lanes.refusals import Refusals
from tests.cli.command import Run, refused
from tests.providers.peer import closed_port


@pytest.fixture
def two(cli: Run) -> Iterator[Run]:
    """Return `run` on a dispatcher with two providers that do not answer."""
    with closed_port() as port:
        options = {"url": f"http://127.0.0.1:{port}/send", "json": {"to": "{to}"}}
        configs = [
            {"name": name, "plugin": "http", "tps": 50, "options": options} for name in ("acme", "backup")
        ]
        os.environ["DISPATCHER_PROVIDERS"] = json.dumps(configs)
        yield cli


def test_the_list_shows_each_state_since_when_and_why(two: Run) -> None:
    assert two("provider", "pause", "acme", "--reason", "bills").out.startswith(
        "provider acme is paused: it gets no messages"
    )
    header, acme, backup = two("provider", "list").out.splitlines()
    assert header.split()[:4] == ["provider", "state", "since", "tried"]
    assert acme.split()[:2] == ["acme", "paused"]
    assert "bills (" in acme
    assert backup.split()[:2] == ["backup", "working"]
    printed = two("provider", "list", "--json").json
    assert [(one["name"], one["order"], one["out"]) for one in printed] == [
        ("acme", "paused", 0),
        ("backup", "none", 0),
    ]


def test_the_list_shows_the_last_refusal_of_a_provider(two: Run, redis_url: str) -> None:
    async def refuse() -> None:
        redis = open_async_redis(redis_url)
        refusals = Refusals(redis)
        outcome = Deferred("HTTP 401: wrong key", of_account=True)
        refusals.note("acme", outcome, number="+254712345678", text="Hi", at=datetime.now(UTC))
        await refusals.write()
        await redis.aclose()

    asyncio.run(refuse())
    line = two("provider", "list").out.splitlines()[-1]
    assert line.startswith("acme last refused a message ")
    assert " ago (deferred): HTTP 401: wrong key; it has refused our account for " in line
    printed = two("provider", "list", "--json").json
    assert printed[0]["last_refusal"]["words"] == "HTTP 401: wrong key"
    assert printed[1]["last_refusal"] is None


@pytest.mark.parametrize(
    ("verb", "result"),
    [
        ("pause", "is paused: it gets no messages"),
        ("resume", "accepts messages\n"),
        ("drain", "is drained: it gets no messages"),
        ("pin", "is pinned: it comes first"),
        ("unpin", "accepts messages\n"),
    ],
)
def test_each_override_prints_what_it_means_for_messages(two: Run, verb: str, result: str) -> None:
    assert two("provider", verb, "acme").out.startswith(f"provider acme {result}")


def test_the_story_lists_each_override_the_newest_first(two: Run) -> None:
    two("provider", "drain", "acme", "--reason", "contract ends")
    two("provider", "resume", "acme")
    printed = two("provider", "list", "--json").json[0]
    assert [(change["to"], change["cause"]) for change in printed["story"]] == [
        ("none", ""),
        ("drained", "contract ends"),
    ]
    story = two("provider", "list", "--story").out
    assert "contract ends" in story
    assert "closed" not in story
    assert "resumed" in story


def test_a_drain_of_a_last_way_is_refused_with_the_line_to_type(two: Run) -> None:
    assert two("provider", "drain", "acme").code == 0
    ended = two("provider", "drain", "backup", "--reason", "contract ends")
    refused(ended, 1, "backup is the last way of some messages: new messages to all countries are refused")
    assert ended.err.endswith(" provider drain backup --reason 'contract ends' --yes\n")
    assert two("provider", "list", "--json").json[1]["order"] == "none"
    assert two("provider", "drain", "backup", "--yes").out.startswith("provider backup is drained")


def test_an_unknown_provider_is_refused_with_the_known_ones(two: Run) -> None:
    refused(two("provider", "pause", "acne"), 1, "there is no provider 'acne' in DISPATCHER_PROVIDERS")
    refused(two("provider", "test", "acne", "+254712345678"), 1, "there are: acme, backup")


def test_a_test_message_prints_its_outcome(two: Run) -> None:
    result = two("provider", "test", "acme", "+254712345678")
    assert result.code == 1
    assert result.out.startswith("acme did not get it: ")
    printed = two("provider", "test", "acme", "+254712345678", "--json").json
    assert printed["outcome"] == "unsent"
    refused(two("provider", "test", "acme", "0712345678"), 2, "must begin with + and a country code")
