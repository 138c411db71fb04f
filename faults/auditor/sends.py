"""The auditor of what providers got: how often, with which text, and when."""

from collections import Counter
from collections.abc import Iterator, Sequence

from dispatcher.domain.tier import Tier
from faults.auditor.evidence import ProviderCopy, StoredMessage, StrikeTime, Wish, WrittenMessage
from faults.auditor.violation import Violation

EARLY = 0.05  # seconds: the clocks' uncertainty; everything is on one machine
ON_THE_WIRE = 1.0  # seconds: from the first byte written until the provider has read the head


def audit_copies(
    written: WrittenMessage,
    *,
    rows: Sequence[StoredMessage],
    copies: Sequence[ProviderCopy],
    strikes: Sequence[StrikeTime],
) -> Iterator[Violation]:
    """Yield what providers got and should not have got of one message."""
    last = written.wishes[-1]
    if last.text is None and last.answered_at is not None and any(copy.accepted for copy in copies):
        yield Violation("sent though cancelled", written.number, "no provider that took it", rows)
    yield from _audit_count(written, rows, copies)
    for copy in copies:
        for at in copy.received_at:
            if (broken := _broken_rule(written, copy, at, strikes)) is not None:
                rule, expected = broken
                yield Violation(rule, written.number, f"{expected}; {copy.provider} got it at {at:.3f}", rows)


def _audit_count(
    written: WrittenMessage, rows: Sequence[StoredMessage], copies: Sequence[ProviderCopy]
) -> Iterator[Violation]:
    accepted: Counter[int | None] = Counter()
    for copy in copies:
        accepted[copy.part] += copy.accepted
    times = max(accepted.values(), default=0)
    if times <= 1:
        return
    doubts = sum(row.doubts for row in rows)
    if written.tier is Tier.BULK:
        yield Violation("doubled", written.number, f"once: bulk is never sent again; it was {times}", rows)
    elif doubts < times - 1:
        yield Violation("doubled", written.number, f"a doubt for each resend; it went {times} times", rows)


def _broken_rule(
    written: WrittenMessage, copy: ProviderCopy, at: float, strikes: Sequence[StrikeTime]
) -> tuple[str, str] | None:
    """Return the rule that a send at this time breaks, and what was expected; None if some wish allows it."""
    wishes = _wishes_at(written.wishes, at, strikes)
    sends = [wish for wish in wishes if wish.text is not None]
    if not sends:
        return "sent though cancelled", "nothing: its client was answered that it is cancelled"
    fitting = [wish for wish in sends if _has_text(copy, wish.text or "")]
    if not fitting:
        return "text nobody wrote", " or ".join(repr(wish.text) for wish in sends)
    if any(w.not_before - EARLY <= at < _last_moment(w.not_after, strikes) for w in fitting):
        return None
    windows = " or ".join(f"{wish.not_before:.3f} to {wish.not_after:.3f}" for wish in fitting)
    return "outside its window", windows


def _wishes_at(wishes: Sequence[Wish], at: float, strikes: Sequence[StrikeTime]) -> list[Wish]:
    """Return the wishes that may hold at a time: not those that a later one had surely replaced."""
    known = [wish for wish in wishes if wish.asked_at <= at + EARLY]
    replaced = max((number for number, wish in enumerate(known) if _holds(wish, at, strikes)), default=0)
    return known[replaced:]


def _holds(wish: Wish, at: float, strikes: Sequence[StrikeTime]) -> bool:
    return wish.answered_at is not None and _last_moment(wish.answered_at, strikes) <= at


def _last_moment(end: float, strikes: Sequence[StrikeTime]) -> float:
    """Return when the last byte that was written before `end` may be read by a provider."""
    delayed = [s.end for s in strikes if s.delays_provider and s.start <= end + ON_THE_WIRE and end <= s.end]
    return max([end, *delayed]) + ON_THE_WIRE


def _has_text(copy: ProviderCopy, text: str) -> bool:
    return copy.text == text if copy.part is None else copy.text in text
