"""Time to heal: until one-time passwords reach a provider within a second again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from faults.auditor.evidence import Evidence, StrikeTime

STREAM = "otp"
PROMPT = 1.0  # seconds from the request to the provider


@dataclass(frozen=True, slots=True)
class Healing:
    """
    What one fault did to the one-time passwords.

    `seconds` counts from the fault's start if the dispatcher can heal while it
    is in place, else from its end; None if the next fault came before that. `worst`
    is the longest way of a password, `late` how many took more than a second.
    """

    name: str
    start: float
    end: float
    in_place: bool
    seconds: float | None
    worst: float
    late: int


def heal_times(evidence: Evidence) -> Sequence[Healing]:
    """Return the time to heal of each fault, in the order of their starts."""
    ways = sorted(_ways(evidence))
    strikes = sorted(evidence.strikes, key=lambda strike: strike.start)
    return [
        _healing(strike, ways, until=_next_start(strikes[number + 1 :], strike))
        for number, strike in enumerate(strikes)
    ]


def _next_start(later: Sequence[StrikeTime], strike: StrikeTime) -> float:
    """Return when the next fault starts, in place of this one or beside it."""
    return min((s.start for s in later if s.start > strike.start), default=float("inf"))


def _ways(evidence: Evidence) -> Iterator[tuple[float, float]]:
    """Yield when each password was asked for, and how long it took to the provider."""
    arrived: dict[str, float] = {}
    for copy in evidence.copies:
        first = min(copy.received_at, default=float("inf"))
        arrived[copy.number] = min(arrived.get(copy.number, float("inf")), first)
    for written in evidence.written:
        if written.stream == STREAM and written.is_accepted:
            asked = written.wishes[0].asked_at
            yield asked, arrived.get(written.number, float("inf")) - asked


def _healing(strike: StrikeTime, ways: Sequence[tuple[float, float]], *, until: float) -> Healing:
    # What is asked for just before the next fault may be late because of that.
    own = [(asked, took) for asked, took in ways if strike.start <= asked < until - PROMPT]
    start = strike.start if strike.heals_in_place else strike.end
    late = [asked for asked, took in own if took > PROMPT]
    ill_until = max((asked for asked in late if asked >= start), default=None)
    healed = next(
        (asked for asked, _ in own if asked >= start and (ill_until is None or asked > ill_until)), None
    )
    seconds = None if healed is None else 0.0 if ill_until is None else healed - start
    worst = max((took for _, took in own), default=0.0)
    return Healing(strike.name, strike.start, strike.end, strike.heals_in_place, seconds, worst, len(late))
