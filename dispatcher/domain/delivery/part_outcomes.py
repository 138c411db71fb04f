"""The outcome of a message whose parts have outcomes of their own."""

from collections.abc import Mapping

from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    Outcome,
    PartlyAccepted,
    Rejected,
    Unaccepted,
    Unknown,
)


def outcome_of_parts(parts: Mapping[int, Outcome], *, total: int) -> Outcome:
    """
    Return the outcome of a message from the outcomes of the parts that were sent, by their numbers.

    `total` counts all parts, including those that the provider had before. A
    refused part decides, because the handset cannot show the text without it;
    then one whose answer never came; then one that was put off.
    """
    if len(parts) == total == 1:
        return next(iter(parts.values()))
    taken: dict[int, str] = {}
    rest: Unaccepted | None = None
    for number, outcome in parts.items():
        match outcome:
            case Accepted(refs=refs):
                taken[number] = refs[0] if refs else ""
            case PartlyAccepted():
                raise ValueError("a part has no parts")
            case _ if rest is None or _weight(outcome) > _weight(rest):
                rest = outcome
    if rest is None:
        return Accepted(tuple(taken.values()) if any(taken.values()) else ())
    return PartlyAccepted(total, taken, rest) if taken else rest


def _weight(outcome: Unaccepted) -> int:
    match outcome:
        case Rejected():
            return 3
        case Unknown():
            return 2
        case Deferred():
            return 1
    return 0
