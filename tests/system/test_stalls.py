"""Processes that are suspended, resume, or run twice."""

import os
import signal
import statistics
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count
from pathlib import Path
from threading import Event

import pytest

from dispatcher.domain.tier import Tier
from dispatcher.local import process_commands
from dispatcher.local.embedded.managed_process import ManagedProcess
from faults.catalogue import clock_skew
from tests.installed import require
from tests.system.stack import Stack, running_stack, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LEASE = 10
SECOND = timedelta(seconds=1)
# From writing the first byte until the sandbox reads it, on a busy machine.
ON_THE_WIRE = timedelta(milliseconds=250)

_prefix = count(10)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield one stack for all tests, with two beats."""
    directory: Path = tmp_path_factory.mktemp("stack")
    settings = {
        "DISPATCHER_LEASE": str(LEASE),
        "DISPATCHER_BACKOFF_BASE": "0.5",
        "DISPATCHER_BACKOFF_CAP": "2",
    }
    with running_stack(directory, tps=200, settings=settings, beats=2) as running:
        yield running


def _numbers(amount: int) -> list[str]:
    prefix = next(_prefix)
    return [f"+2547{prefix:02}{n:06}" for n in range(amount)]


def _wait_for_ends(stack: Stack, ids: list[int], *, seconds: float = 90) -> None:
    until(
        lambda: (
            not stack.rows("SELECT 1 FROM messages WHERE id = ANY(%s) AND status IN (10, 11) LIMIT 1", ids)
        ),
        seconds=seconds,
        what="every message has ended",
    )


def _lags(stack: Stack, ids: list[int]) -> list[float]:
    """Return how many seconds after its not_before each message arrived at the sandbox."""
    seen = stack.submits()
    rows = stack.rows("SELECT public_id, not_before FROM messages WHERE id = ANY(%s)", ids)
    return [min(seen[str(row[0])]) - row[1].timestamp() for row in rows]


def test_a_scheduled_message_is_sent_at_its_time_and_never_before(stack: Stack) -> None:
    ids = []
    for tenths in range(20, 60, 2):
        tier = list(Tier)[tenths // 2 % 3]
        ids += stack.submit(_numbers(1), tier=tier, after=tenths * SECOND / 10 + 2 * SECOND)
    _wait_for_ends(stack, ids)
    lags = _lags(stack, ids)
    print(f"lag: median {statistics.median(lags) * 1000:.0f} ms, most {max(lags) * 1000:.0f} ms")
    assert min(lags) >= 0


def test_two_beats_and_a_lane_send_each_message_once(stack: Stack) -> None:
    ids = stack.submit(_numbers(300), tier=Tier.BULK, after=2 * SECOND)
    _wait_for_ends(stack, ids)
    rows = stack.rows("SELECT public_id, status FROM messages WHERE id = ANY(%s)", ids)
    seen = stack.submits()
    assert {len(seen[str(row[0])]) for row in rows} == {1}
    assert {row[1] for row in rows} <= {12, 13}


@pytest.mark.parametrize("tier", [Tier.CRITICAL, Tier.STANDARD])
def test_a_worker_suspended_past_the_window_sends_nothing_late(stack: Stack, tier: Tier) -> None:
    """SIGSTOP with open claims until every window is over: requests not yet written are never written."""
    window = 4 * SECOND
    ids = stack.submit(_numbers(400), tier=tier, until=window)
    until(lambda: _claimed(stack, ids) > 0, seconds=20, what="claims are open")
    stack.supervisor.kill(tier.value, signal.SIGSTOP)
    try:
        end = stack.rows("SELECT max(not_after) FROM messages WHERE id = ANY(%s)", ids)[0][0]
        until(lambda: stack.rows("SELECT now() > %s", end + SECOND)[0][0], seconds=20, what="over")
    finally:
        stack.supervisor.kill(tier.value, signal.SIGCONT)
    _wait_for_ends(stack, ids)
    seen = stack.submits()
    for public_id, not_after in stack.rows(
        "SELECT public_id, not_after FROM messages WHERE id = ANY(%s)", ids
    ):
        for at in seen.get(str(public_id), []):
            assert at < (not_after + ON_THE_WIRE).timestamp()
    ends = {row[0] for row in stack.rows("SELECT status FROM messages WHERE id = ANY(%s)", ids)}
    assert ends <= {12, 13, 27, 39}


def test_postgres_suspended_for_longer_than_a_lease_loses_no_outcome_and_causes_no_doubt(
    stack: Stack,
) -> None:
    """It is suspended during calls: the workers keep their outcomes, and rescue waits for them."""
    ids = stack.submit(_numbers(300), tier=Tier.STANDARD)
    until(lambda: _claimed(stack, ids) > 0, seconds=20, what="claims are open")
    with _stopped_postgres(stack):
        Event().wait(LEASE + 5)  # no query is possible meanwhile
    _wait_for_ends(stack, ids)
    rows = stack.rows("SELECT public_id, status, doubts FROM messages WHERE id = ANY(%s)", ids)
    seen = stack.submits()
    assert {len(seen[str(row[0])]) for row in rows} == {1}
    assert {row[2] for row in rows} == {0}
    assert {row[1] for row in rows} <= {12, 13}


def test_a_worker_whose_wall_clock_is_30_s_ahead_throws_nothing_away(stack: Stack) -> None:
    """It is the only one: the worker of the lane is suspended, and nobody else gets what it leaves."""
    require("faketime")
    skew = clock_skew.variables()
    assert skew is not None
    argv = process_commands.worker("critical", name="skewed")
    skewed = ManagedProcess(name="skewed", argv=argv, env={**stack.environment, **skew}, together=True)
    stack.supervisor.kill(Tier.CRITICAL.value, signal.SIGSTOP)
    try:
        stack.supervisor.start(skewed)
        ids = stack.submit(_numbers(30), tier=Tier.CRITICAL)
        _wait_for_ends(stack, ids)
    finally:
        stack.supervisor.stop_process(skewed.name)
        stack.supervisor.kill(Tier.CRITICAL.value, signal.SIGCONT)
    sent = stack.submits().keys()
    rows = stack.rows("SELECT public_id FROM messages WHERE id = ANY(%s)", ids)
    assert {str(row[0]) for row in rows} <= sent


def _claimed(stack: Stack, ids: list[int]) -> int:
    [[claimed]] = stack.rows("SELECT count(*) FROM messages WHERE id = ANY(%s) AND place = 'worker'", ids)
    return int(claimed)


@contextmanager
def _stopped_postgres(stack: Stack) -> Iterator[None]:
    """Suspend the server and all its backends, and resume them after the block; one may end meanwhile."""
    leader = stack.supervisor.pid("postgres")
    assert leader is not None
    os.kill(leader, signal.SIGSTOP)  # first, so that it starts no more of them
    children = Path(f"/proc/{leader}/task/{leader}/children").read_text().split()
    _signal(map(int, children), signal.SIGSTOP)
    try:
        yield
    finally:
        _signal([leader, *map(int, children)], signal.SIGCONT)


def _signal(processes: Iterable[int], what: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, what)
