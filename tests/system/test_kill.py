"""
Kills each worker that delivers with -9: in doubt is only what it had in flight.

`make faults` kills every process, and checks that nothing is lost or doubled outside the policy.
"""

from collections import Counter
from pathlib import Path

import pytest

from dispatcher.domain.tier import Tier
from tests.system.stack import Stack, running_stack, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

VICTIMS = ["standard", "bulk", "critical"]
EACH = 250
LATENCY, FLUSH = 0.05, 0.02
SETTINGS = {
    "DISPATCHER_LEASE": "10",
    "DISPATCHER_BACKOFF_BASE": "0.5",
    "DISPATCHER_BACKOFF_CAP": "2",
    "DISPATCHER_RECEIPT_TIMEOUT": "30",
}


def test_a_killed_worker_leaves_in_doubt_only_what_it_had_in_flight(tmp_path: Path) -> None:
    with running_stack(tmp_path, tps=500, settings=SETTINGS) as stack:
        accepted: list[int] = []
        for number, victim in enumerate(VICTIMS):
            accepted += _work_and_kill(stack, number, victim)
        _all_end(stack, accepted)
        _check_counts(stack)


def _work_and_kill(stack: Stack, number: int, victim: str) -> list[int]:
    before = stack.stats()["submits"]
    third = EACH // 3
    accepted = stack.submit(_numbers(number, third, 1), tier=Tier.CRITICAL)
    accepted += stack.submit(_numbers(number, third, 2), tier=Tier.BULK)
    accepted += stack.post(_numbers(number, EACH - 2 * third, 3))
    until(lambda: stack.stats()["submits"] >= before + EACH // 5, seconds=60, what=f"under way for {victim}")
    stack.kill(victim)
    return accepted


def _numbers(batch: int, count: int, part: int) -> list[str]:
    return [f"+2547{batch:02}{part}{n:05}" for n in range(count)]


def _all_end(stack: Stack, accepted: list[int]) -> None:
    def open_() -> list[object]:
        return stack.rows(
            "SELECT id, status, place, wake_at FROM messages"
            " WHERE status IN (10, 11) OR (status = 12 AND wake_at IS NOT NULL) LIMIT 5"
        )

    until(lambda: not open_(), seconds=120, what=f"every message has ended: {open_()}")
    known = {row[0] for row in stack.rows("SELECT id FROM messages")}
    assert set(accepted) <= known, "an accepted message is lost"
    unexplained = stack.rows(
        "SELECT id FROM messages m WHERE status = 12 AND NOT EXISTS"
        " (SELECT 1 FROM message_events e WHERE e.message_id = m.id AND e.reason = 'no_receipt')"
    )
    assert unexplained == []


def _check_counts(stack: Stack) -> None:
    seen = stack.submits()
    doubts = {str(row[0]): row[1] for row in stack.rows("SELECT public_id, doubts FROM messages")}
    ends = Counter(row[0] for row in stack.rows("SELECT status FROM messages"))
    sent_twice = {reference for reference, times in seen.items() if len(times) > 1}
    in_doubt = {reference for reference, count in doubts.items() if count}
    print(
        f"ends {dict(ends)}, in doubt {len(in_doubt)}, sent twice {len(sent_twice)}, bound {_bound(seen):.0f}"
    )
    assert sent_twice <= in_doubt, "sent twice without a doubt"
    assert set(ends) <= {12, 13, 39}
    assert doubts.keys() - seen.keys() <= in_doubt, "ended without being sent or in doubt"
    # Each batch had one kill; the phone number says which.
    numbers = {str(row[0]): row[1] for row in stack.rows("SELECT public_id, number FROM messages")}
    by_kill = Counter(VICTIMS[int(numbers[reference][5:7])] for reference in sent_twice)
    assert all(count <= _bound(seen) for count in by_kill.values()), f"too many of one kill: {by_kill}"
    assert stack.rows("SELECT 1 FROM ledger WHERE kind = 'refund'") == []
    assert stack.stats()["duplicates"] == sum(len(times) - 1 for times in seen.values())


def _bound(seen: dict[str, list[float]]) -> float:
    """What can be in flight: rate × (provider latency + flush age) × 1.5."""
    seconds = Counter(int(at) for times in seen.values() for at in times)
    return max(seconds.values()) * (LATENCY + FLUSH) * 1.5
