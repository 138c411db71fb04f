"""A provider refuses, hangs and recovers beside a healthy one: nothing is lost, nothing is sent twice."""

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

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(300)]

MESSAGES = 6_500
TPS = 400


def test_an_outage_of_one_provider_loses_no_message_and_never_overloads_the_other(tmp_path: Path) -> None:
    settings = {"DISPATCHER_BACKOFF_BASE": "0.5", "DISPATCHER_BACKOFF_CAP": "2"}
    with running_stack(tmp_path, tps=TPS, settings=settings, sandboxes=2) as stack:
        ids = stack.submit([f"+2547{n:08}" for n in range(MESSAGES)], tier=Tier.STANDARD)
        until(lambda: _count_submits(stack) > MESSAGES // 10, seconds=30, what="both have messages")
        _change(stack, defer_rate=1.0)
        Event().wait(3)
        _change(stack, defer_rate=0.0, latency_ms=60_000)
        Event().wait(7)
        _change(stack, latency_ms=50)
        until(lambda: not _open(stack, ids), seconds=150, what="all have ended")
        _check_counts(stack)
        _check_story(stack)


def _change(stack: Stack, **settings: float) -> None:
    stack.sandboxes[0].put("/settings", json=settings).raise_for_status()


def _count_submits(stack: Stack) -> int:
    return sum(int(sandbox.get("/stats").json()["submits"]) for sandbox in stack.sandboxes)


def _open(stack: Stack, ids: list[int]) -> int:
    return int(stack.rows("SELECT count(*) FROM messages WHERE status < 12 AND id = ANY(%s)", ids)[0][0])


def _check_counts(stack: Stack) -> None:
    first = {row["reference"]: row["accepted"] for row in stack.seen(0) if row["accepted"]}
    second = {row["reference"]: row["received_at"] for row in stack.seen(1)}
    doubtful = {str(row[0]) for row in stack.rows("SELECT public_id FROM messages WHERE doubts > 0")}
    ends = Counter(row[0] for row in stack.rows("SELECT status FROM messages"))
    assert set(ends) <= {12, 13}
    assert len(first.keys() | second.keys()) == MESSAGES
    assert first.keys() & second.keys() <= doubtful, "sent twice without a doubt"
    assert {reference for reference, times in first.items() if times > 1} <= doubtful
    assert all(len(times) == 1 for times in second.values()), "the healthy provider got a message twice"
    busiest = _busiest_second(second)
    print(f"ends {dict(ends)}, in doubt {len(doubtful)}, first {len(first)}, second {len(second)},")
    print(f"the healthy one's busiest second {busiest} of {TPS}")
    assert busiest <= TPS


def _busiest_second(seen: dict[str, list[float]]) -> int:
    """Return the maximum number of arrivals within any one second, wherever it begins."""
    times = sorted(at for all_ in seen.values() for at in all_)
    start = most = 0
    for end, at in enumerate(times):
        while at - times[start] >= 1:
            start += 1
        most = max(most, end - start + 1)
    return most


def _check_story(stack: Stack) -> None:
    output = subprocess.run(
        [sys.executable, "-m", "dispatcher.cli", "provider", "list", "--story", "--json"],
        env={**os.environ, **stack.environment},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    [first] = [one for one in json.loads(output) if one["name"] == "sandbox"]
    changes = [change["to"] for change in first["story"]]
    print(f"its story: {', '.join(changes)}")
    assert {"open", "half-open", "closed"} <= set(changes)
