"""A provider refuses, hangs and comes back beside one that works: nothing is lost, nothing doubled."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from threading import Event

import pytest

from dispatcher.domain.tier import Tier
from tests.system.stack import Stack, running_stack, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MESSAGES = 6_500
TPS = 400


def test_an_outage_of_one_provider_costs_no_message_and_never_hurries_the_other(tmp_path: Path) -> None:
    settings = {"DISPATCHER_BACKOFF_BASE": "0.5", "DISPATCHER_BACKOFF_CAP": "2"}
    with running_stack(tmp_path, tps=TPS, settings=settings, sandboxes=2) as stack:
        ids = stack.submit([f"+2547{n:08}" for n in range(MESSAGES)], tier=Tier.STANDARD)
        until(lambda: _taken(stack) > MESSAGES // 10, seconds=30, what="both are at work")
        _change(stack, defer_rate=1.0)
        Event().wait(3)
        _change(stack, defer_rate=0.0, latency_ms=60_000)
        Event().wait(7)
        _change(stack, latency_ms=50)
        until(lambda: not _open(stack, ids), seconds=150, what="all have ended")
        _counts_add_up(stack)
        _the_story_is_told(stack)


def _change(stack: Stack, **settings: float) -> None:
    stack.sandboxes[0].put("/settings", json=settings).raise_for_status()


def _taken(stack: Stack) -> int:
    return sum(int(sandbox.get("/stats").json()["submits"]) for sandbox in stack.sandboxes)


def _open(stack: Stack, ids: list[int]) -> int:
    return int(stack.rows("SELECT count(*) FROM messages WHERE status < 12 AND id = ANY(%s)", ids)[0][0])


def _counts_add_up(stack: Stack) -> None:
    first = {row["reference"]: row["accepted"] for row in stack.seen(0) if row["accepted"]}
    second = {row["reference"]: row["received_at"] for row in stack.seen(1)}
    doubtful = {str(row[0]) for row in stack.rows("SELECT public_id FROM messages WHERE doubts > 0")}
    ends = Counter(row[0] for row in stack.rows("SELECT status FROM messages"))
    assert set(ends) <= {12, 13}
    assert len(first.keys() | second.keys()) == MESSAGES
    assert first.keys() & second.keys() <= doubtful, "sent twice without a doubt"
    assert {reference for reference, times in first.items() if times > 1} <= doubtful
    assert all(len(times) == 1 for times in second.values()), "the healthy one got one twice"
    busiest = _busiest_second(second)
    print(f"ends {dict(ends)}, in doubt {len(doubtful)}, first {len(first)}, second {len(second)},")
    print(f"the healthy one's busiest second {busiest} of {TPS}")
    assert busiest <= TPS


def _busiest_second(seen: dict[str, list[float]]) -> int:
    """Count the most that came within any one second, wherever it begins."""
    times = sorted(at for all_ in seen.values() for at in all_)
    start = most = 0
    for end, at in enumerate(times):
        while at - times[start] >= 1:
            start += 1
        most = max(most, end - start + 1)
    return most


def _the_story_is_told(stack: Stack) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "dispatcher.cli", "provider", "list", "--story", "--json"],
        env={**os.environ, **stack.environment},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    [first] = [one for one in json.loads(told) if one["name"] == "sandbox"]
    turns = [turn["to"] for turn in first["story"]]
    print(f"its story: {', '.join(turns)}")
    assert {"open", "half-open", "closed"} <= set(turns)
