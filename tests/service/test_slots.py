"""Slots: as many calls out as rate × latency needs, and no more."""

from dispatcher.domain.provider import ProviderConfig
from dispatcher.service.slots import Slots, Strain


def _slots(tps: float, most: int = 200) -> Slots:
    return Slots(ProviderConfig(name="p", plugin="t", options={}, tps=tps, max_connections=most), Strain())


def test_the_bound_follows_the_rate() -> None:
    assert [_slots(tps).limit for tps in (1, 100, 1000)] == [2, 7, 63]


def test_a_call_of_many_messages_needs_fewer_slots() -> None:
    config = ProviderConfig(name="p", plugin="t", options={}, tps=4000)
    assert [Slots(config, Strain(), a_call=many).limit for many in (1, 50)] == [200, 5]


def test_the_bound_never_exceeds_the_connections() -> None:
    assert _slots(100_000, most=50).limit == 50


def test_the_bound_follows_the_latency() -> None:
    slots = _slots(1000)
    for _ in range(100):
        slots.note(0.001)
    assert slots.limit < 10
    for _ in range(100):
        slots.note(0.05)
    assert slots.limit > 50


def test_the_bound_makes_up_for_the_time_in_which_slots_wait_for_their_claim() -> None:
    slots = _slots(1000)
    for _ in range(100):
        slots.note(0.01)
        slots.note_claim(0.03)
    assert 45 <= slots.limit <= 55


def test_what_is_out_is_not_free_until_it_is_released() -> None:
    slots = _slots(1)
    slots.take(2)
    assert (slots.out, slots.free) == (2, 0)
    slots.release()
    assert (slots.out, slots.free) == (1, 1)


def test_a_bound_that_falls_below_what_is_out_leaves_nothing_free() -> None:
    slots = _slots(1000)
    slots.take(slots.free)
    for _ in range(100):
        slots.note(0.001)
    assert slots.out > slots.limit
    assert slots.free == 0


def test_a_process_that_cannot_follow_lets_fewer_out_and_recovers() -> None:
    strain = Strain()
    slots = Slots(ProviderConfig(name="p", plugin="t", options={}, tps=1000), strain)
    for _ in range(40):
        strain.note(0.1)
    assert slots.limit < 20
    for _ in range(100):
        strain.note(0.001)
    assert slots.limit == 63
