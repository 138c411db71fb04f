"""The states of a campaign, and which of its runs are due."""

from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.domain.campaigns.campaign import (
    CAMPAIGN_TRANSITIONS,
    MAX_DUE_RUNS,
    RUN_LEAD,
    CampaignState,
    DueRuns,
    due_runs,
    validity_of,
)
from dispatcher.domain.campaigns.recurrence import CronSchedule, RunOnce
from dispatcher.domain.hours.zones import parse_zone
from dispatcher.domain.tier import Tier

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR, DAY, TICK = timedelta(hours=1), timedelta(days=1), timedelta(microseconds=1)
DAILY = CronSchedule("0 12 * * *", parse_zone("UTC"))


def test_every_state_that_is_not_final_can_be_cancelled() -> None:
    assert set(CAMPAIGN_TRANSITIONS) == set(CampaignState)
    final = {CampaignState.FINISHED, CampaignState.CANCELLED}
    assert {state for state in CampaignState if state.is_final} == final
    for state in set(CampaignState) - final:
        assert CampaignState.CANCELLED in CAMPAIGN_TRANSITIONS[state]


def test_a_run_is_due_its_lead_before_its_time_and_not_earlier() -> None:
    early = due_runs(DAILY, first=NOON, now=NOON - RUN_LEAD - TICK, validity=DAY)
    assert early == DueRuns((), (), NOON)
    assert due_runs(DAILY, first=NOON, now=NOON - RUN_LEAD, validity=DAY) == DueRuns([NOON], [], NOON + DAY)


def test_a_late_run_is_due_while_its_messages_would_be_valid() -> None:
    last = due_runs(DAILY, first=NOON, now=NOON + 6 * HOUR - TICK, validity=6 * HOUR)
    assert last == DueRuns([NOON], [], NOON + DAY)
    over = due_runs(DAILY, first=NOON, now=NOON + 6 * HOUR, validity=6 * HOUR)
    assert over == DueRuns([], [NOON], NOON + DAY)


def test_after_days_without_a_clock_only_the_last_run_is_due_and_the_others_are_missed() -> None:
    found = due_runs(DAILY, first=NOON, now=NOON + 3 * DAY + HOUR, validity=DAY)
    assert found == DueRuns([NOON + 3 * DAY], [NOON + n * DAY for n in range(3)], NOON + 4 * DAY)


def test_a_single_run_has_no_next_one_even_if_it_was_moved() -> None:
    once = RunOnce(NOON)
    assert due_runs(once, first=NOON, now=NOON, validity=HOUR) == DueRuns([NOON], [], None)
    moved = NOON + 10 * DAY
    assert due_runs(once, first=moved, now=moved, validity=HOUR) == DueRuns([moved], [], None)


def test_many_missed_runs_are_returned_in_parts_and_none_twice() -> None:
    often = CronSchedule("* * * * *", parse_zone("UTC"))
    now, first, seen = NOON + DAY, NOON, list[datetime]()
    while first <= now + RUN_LEAD:
        found = due_runs(often, first=first, now=now, validity=HOUR)
        assert len(found.due) + len(found.missed) <= MAX_DUE_RUNS
        assert all(at + HOUR <= now for at in found.missed)
        assert all(at + HOUR > now for at in found.due)
        seen += [*found.missed, *found.due]
        assert found.next is not None
        first = found.next
    assert seen == [NOON + timedelta(minutes=n) for n in range(24 * 60 + 2)]


@pytest.mark.parametrize("tier", Tier)
def test_without_a_validity_that_of_the_tier_counts(tier: Tier) -> None:
    assert validity_of(HOUR, tier) == HOUR
    assert validity_of(None, tier) > timedelta()
