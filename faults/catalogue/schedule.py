"""The schedule: which fault is struck when, the same for the same seed."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from faults.catalogue.strikes import FAULTS, Fault

_FIRST = 3.0
_OVERLAPPING = 0.1
_QUIET = (7.0, 12.0)  # seconds to heal in, before the next fault
_QUIET_WHEN_SHORT = (1.2, 1.8)


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """A fault with its start and its end, in seconds after the start of the load."""

    fault: Fault
    start: float
    end: float


def plan(seed: int, *, seconds: float, missing: frozenset[str] = frozenset()) -> Sequence[PlannedFault]:
    """Return the faults of a run: each kind once in a random order, then again, while there is time."""
    kinds = [fault for fault in FAULTS if missing.isdisjoint(fault.needs)]
    return list(_plan(random.Random(f"{seed} schedule"), kinds, seconds, _QUIET))


def plan_short(seed: int) -> Sequence[PlannedFault]:
    """Return each fault that takes no time once, in a random order, one soon after the other."""
    rng, at = random.Random(f"{seed} schedule"), _FIRST
    kinds = [fault for fault in FAULTS if not any(fault.seconds)]
    planned = []
    for fault in rng.sample(kinds, len(kinds)):
        planned.append(PlannedFault(fault, at, at))
        at += rng.uniform(*_QUIET_WHEN_SHORT)
    return planned


def _plan(
    rng: random.Random, kinds: Sequence[Fault], seconds: float, quiet: tuple[float, float]
) -> Iterator[PlannedFault]:
    at = _FIRST
    while at + quiet[0] < seconds:
        for fault in rng.sample(kinds, len(kinds)):
            end = at + rng.uniform(*fault.seconds)
            if end + quiet[0] > seconds:
                continue  # a shorter one may fit
            yield PlannedFault(fault, at, end)
            overlaps = end > at and rng.random() < _OVERLAPPING
            at = rng.uniform(at, end) if overlaps else end + rng.uniform(*quiet)
