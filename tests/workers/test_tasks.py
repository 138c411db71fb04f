"""Tasks that a worker skips: by the time of Postgres or its monotonic clock, never by its wall clock."""

from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.domain.tier import TIER_LIMITS, Tier
from dispatcher.lanes.celery_app import DELIVER, DELIVER_ANY
from workers.tasks import Pace, is_old

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("tier", list(Tier))
def test_a_lane_task_is_old_once_the_clock_has_requeued_its_ids(tier: Tier) -> None:
    longest = 2 * TIER_LIMITS[tier].requeue
    assert not is_old(DELIVER[tier], (NOW - longest).timestamp(), now=NOW)
    assert is_old(DELIVER[tier], (NOW - longest - SECOND).timestamp(), now=NOW)


def test_a_task_without_a_time_is_never_old() -> None:
    """Tasks of an earlier version have none."""
    assert not is_old(DELIVER[Tier.CRITICAL], None, now=NOW)
    assert not is_old(DELIVER_ANY, (NOW - timedelta(days=1)).timestamp(), now=NOW)


def test_entries_of_beat_that_piled_up_are_skipped_and_none_that_comes_in_time_is() -> None:
    now = 0.0
    pace = Pace(5, clock=lambda: now)
    assert [pace.is_due() for _ in range(100)] == [True] + [False] * 99
    runs = []
    for late in (4.9, 10.3, 14.6):  # beat is never exact
        now = late
        runs.append(pace.is_due())
    assert runs == [True] * 3
