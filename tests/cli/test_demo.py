"""The demo: it shows the main job from beginning to end, and its exit code can be trusted."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from dispatcher.cli.demo import ends
from dispatcher.cli.demo.groups import GROUPS, Group
from dispatcher.domain.status import Status
from dispatcher.domain.tier import Tier
from dispatcher.service.report import History
from dispatcher.store.reports import Detail

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_demo_ends_well_and_says_how_exact_it_was() -> None:
    command = [sys.executable, "-m", "dispatcher.cli", "demo"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every message ended as it should" in done.stdout
    assert "released after not_before: median" in done.stdout


def test_the_demo_uses_all_tiers_and_about_300_messages() -> None:
    assert {group.tier for group in GROUPS} == {None, *Tier}
    assert 280 <= sum(group.count for group in GROUPS) <= 320


def test_a_message_that_ended_otherwise_is_found() -> None:
    group = Group("g", 2, frozenset({Status.RECEIVED}))
    outcome = ends.judge(group, [_history(Status.RECEIVED), _history(Status.FAILED)])
    assert (outcome.good, outcome.bad) == (1, _history(Status.FAILED))


def test_a_sent_message_has_ended_only_when_its_receipt_time_is_over() -> None:
    assert not ends.has_ended(_history(Status.SENT, wake_at=NOW))
    assert ends.has_ended(_history(Status.SENT))
    assert ends.has_ended(_history(Status.RECEIVED))


_ID = uuid4()


def _history(status: Status, *, wake_at: datetime | None = None) -> History:
    detail = Detail(
        id=1,
        public_id=_ID,
        account="demo",
        dialect="scheduler",
        number="+254700000000",
        tier=Tier.STANDARD,
        status=status,
        place=None,
        wake_at=wake_at,
        not_before=NOW,
        not_after=NOW + timedelta(hours=1),
        segments=1,
        charged=1,
        attempt=1,
        deferrals=0,
        doubts=0,
        provider="sandbox",
        reason="",
    )
    return History(detail, ())
