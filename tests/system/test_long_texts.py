"""Long texts over SMPP, one part in ten put off, their worker killed: every phone's text is whole."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from dispatcher.domain.tier import Tier
from tests.system.stack import Stack, running_stack, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MESSAGES = int(os.environ.get("LONG_TEXTS", "2000"))  # 10,000 were tried when this was built
EACH = 1000
TEXT = "".join(f"{n:03} " for n in range(100))
SLOTS = 200  # max_connections of a provider, if its options say nothing else
SETTINGS = {"DISPATCHER_LEASE": "10", "DISPATCHER_BACKOFF_BASE": "0.5", "DISPATCHER_BACKOFF_CAP": "2"}
SMSC: Mapping[str, object] = {"smpp_throttle_every": 10, "latency_ms": 20}


def test_each_part_is_taken_once_but_those_in_doubt_and_every_text_is_whole(tmp_path: Path) -> None:
    with running_stack(tmp_path, tps=5000, settings=SETTINGS, smpp=SMSC) as stack:
        numbers = [f"+25471{n:07}" for n in range(MESSAGES)]
        for start in range(0, MESSAGES, EACH):
            stack.submit(numbers[start : start + EACH], tier=Tier.STANDARD, text=TEXT)
        until(
            lambda: stack.stats()["accepted"] >= MESSAGES, seconds=120, what="a third of the parts is taken"
        )
        stack.kill("standard")
        held = _numbers(stack, "place = 'worker'")  # theirs until their lease of 10 s ends
        until(lambda: not _count(stack, "place IS NOT NULL"), seconds=300, what="every message has ended")
        assert _count(stack, "status IN (12, 13)") == MESSAGES
        doubtful = _numbers(stack, "doubts > 0")
        by_phone = _by_phone(stack.seen())
        assert set(by_phone) == set(numbers)
        for number, parts in by_phone.items():
            _check_phone(parts, is_doubtful=number in doubtful)
        assert doubtful <= held
        assert len(held) <= SLOTS + _busiest_second(by_phone.values())
        assert _count(stack, "attempt > 1") > MESSAGES / 10


def _count(stack: Stack, condition: str) -> int:
    [(count,)] = stack.rows(f"SELECT count(*) FROM messages WHERE {condition}")
    return int(count)


def _numbers(stack: Stack, condition: str) -> set[str]:
    return {number for (number,) in stack.rows(f"SELECT number FROM messages WHERE {condition}")}


def _by_phone(seen: Sequence[dict[str, Any]]) -> Mapping[str, list[dict[str, Any]]]:
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for part in seen:
        found[part["to"]].append(part)
    return found


def _busiest_second(phones: Iterable[list[dict[str, Any]]]) -> int:
    """Count the messages of one second: once an outcome is unwritten for longer, nothing more is claimed."""
    ends = Counter(int(max(one["received_at"][0] for one in parts)) for parts in phones)
    return max(ends.values())


def _check_phone(parts: list[dict[str, Any]], *, is_doubtful: bool) -> None:
    """A phone joins parts by sender and reference: all have the same one, and each was taken once."""
    parts.sort(key=lambda one: int(one["part"]["number"]))
    assert [(one["part"]["number"], one["part"]["total"]) for one in parts] == [(1, 3), (2, 3), (3, 3)]
    assert "".join(one["text"] for one in parts) == TEXT
    assert len({(one["from"], reference) for one in parts for reference in one["part"]["references"]}) == 1
    if not is_doubtful:
        assert [one["accepted"] for one in parts] == [1, 1, 1]
