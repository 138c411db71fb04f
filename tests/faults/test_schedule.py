"""The schedule of a run, and the time to heal."""

from dispatcher.domain.tier import Tier
from faults.auditor.evidence import Evidence, ProviderCopy, StrikeTime, Wish, WrittenMessage
from faults.catalogue.schedule import plan
from faults.catalogue.strikes import FAULTS
from faults.healing import Healing, heal_times

ALL = frozenset({"small disk", "libfaketime"})


def test_the_same_seed_gives_the_same_faults_and_another_seed_others() -> None:
    assert plan(7, seconds=600) == plan(7, seconds=600)
    assert plan(7, seconds=600) != plan(8, seconds=600)


def test_a_long_run_has_every_fault_and_all_end_before_the_load() -> None:
    planned = plan(7, seconds=1800)
    assert {one.fault.name for one in planned} == {fault.name for fault in FAULTS}
    assert all(one.end < 1800 for one in planned)


def test_a_fault_whose_means_are_missing_is_left_out() -> None:
    names = {one.fault.name for one in plan(7, seconds=3600, missing=ALL)}
    assert names == {fault.name for fault in FAULTS if not fault.needs}


def test_each_fault_has_its_own_name() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def _evidence(ways: dict[float, float], *strikes: StrikeTime) -> Evidence:
    """Return the evidence of passwords that were asked for at these times and took so long."""
    numbers = {asked: f"+2547000{n:05}" for n, asked in enumerate(ways)}
    return Evidence(
        written=[
            WrittenMessage(number, "otp", Tier.CRITICAL, [Wish(asked, None, "1")], True)
            for asked, number in numbers.items()
        ],
        copies=[
            ProviderCopy("first", numbers[asked], "1", [asked + took], 1) for asked, took in ways.items()
        ],
        strikes=strikes,
    )


def test_the_time_to_heal_ends_with_the_first_password_after_which_none_is_late() -> None:
    ways = {100.0: 0.1, 101.0: 3.0, 102.0: 0.2, 103.0: 1.5, 104.0: 0.1, 105.0: 0.1}
    strike = StrikeTime("a", 100.5, 102.5, heals_in_place=True)
    assert heal_times(_evidence(ways, strike)) == [Healing("a", 100.5, 102.5, True, 3.5, 3.0, 2)]


def test_what_is_late_while_nothing_can_work_does_not_count_as_healing() -> None:
    ways = {101.0: 3.0, 103.0: 0.1}
    [healing] = heal_times(_evidence(ways, StrikeTime("a", 100.5, 102.5)))
    assert (healing.seconds, healing.worst) == (0.0, 3.0)


def test_a_fault_that_is_not_healed_when_the_next_one_starts_says_so() -> None:
    ways = {101.0: 9.0, 103.0: 9.0, 111.0: 0.1}
    strikes = StrikeTime("a", 100.5, 102.5), StrikeTime("b", 110.0, 110.0)
    first, second = heal_times(_evidence(ways, *strikes))
    assert (first.seconds, second.seconds) == (None, 0.0)
