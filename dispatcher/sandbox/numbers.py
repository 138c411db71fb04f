"""The special numbers: the effect of each number that ends in 9900NN, defined only here."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final, TypeVar

T = TypeVar("T")


class SubmitAnswer(Enum):
    """The response to a submit."""

    ACCEPTED = auto()  # 200 with the references
    REJECTED = auto()  # 4xx with an error code
    LATER = auto()  # 503 with Retry-After
    THROTTLED = auto()  # 429 with Retry-After
    FAILED = auto()  # 500
    SILENCE = auto()  # no response, for longer than any client waits
    HANG_UP = auto()  # the connection is closed without a byte


class ReceiptParts(Enum):
    """The references of a message that a receipt is about."""

    ALL = auto()
    ALL_BUT_LAST = auto()
    LAST = auto()

    def of(self, ids: Sequence[T]) -> Sequence[T]:
        """Return those of these ids that the receipt is about."""
        match self:
            case ReceiptParts.ALL:
                return ids
            case ReceiptParts.ALL_BUT_LAST:
                return ids[:-1]
            case ReceiptParts.LAST:
                return ids[-1:]


@dataclass(frozen=True, slots=True)
class ReceiptStep:
    """One receipt: its word, and seconds after the one before it."""

    word: str
    wait: float = 0.0
    parts: ReceiptParts = ReceiptParts.ALL


DELIVERED: Final = ReceiptStep("DELIVRD")


@dataclass(frozen=True, slots=True)
class Script:
    """
    The effect of one number.

    `taken` is whether the network accepts the message, whatever the response
    says. `times` limits the response to the first submits of a reference; later
    ones are accepted.
    """

    what: str
    answer: SubmitAnswer = SubmitAnswer.ACCEPTED
    taken: bool = True
    times: int | None = None
    error: str = ""
    delay: float = 0.0
    receipts: tuple[ReceiptStep, ...] = (DELIVERED,)
    early: bool = False  # the receipt is sent before the response
    anonymous: bool = False  # receipts name our reference only
    in_parts: bool = False  # one reference for each segment
    part: int | None = None  # only this part of a long text over SMPP; all else is accepted


def _rejected(what: str, error: str) -> Script:
    return Script(what, SubmitAnswer.REJECTED, taken=False, error=error)


def _receipt(what: str, *words: str) -> Script:
    return Script(what, receipts=tuple(ReceiptStep(word, wait=0.2 * n) for n, word in enumerate(words)))


ORDINARY: Final = Script("accepted, delivered")

SPECIAL: Final[Mapping[str, Script]] = {
    "00": ORDINARY,
    # one for each failure code, in its usual way
    "30": _rejected("rejected: not a number → 30", "invalid_number"),
    "31": _rejected("rejected: opted out or blocked → 31", "blocked"),
    "32": _receipt("accepted, receipt EXPIRED → 32", "EXPIRED"),
    "33": _receipt("accepted, receipt UNREACH → 33", "UNREACH"),
    "38": _receipt("accepted, receipt UNDELIV → 38", "UNDELIV"),
    "39": Script("always 503 with Retry-After: 1 → 39 in the end", SubmitAnswer.LATER, taken=False),
    # the same codes in the other way
    "60": _receipt("accepted, receipt INVALID → 30", "INVALID"),
    "61": _receipt("accepted, receipt BLOCKED → 31", "BLOCKED"),
    "62": _rejected("rejected: its validity is over → 32", "expired"),
    "63": _rejected("rejected: phone or network away → 33", "unreachable"),
    "68": _rejected("rejected without a reason → 38", "refused"),
    "69": _rejected("rejected: the account is refused → 39", "account_refused"),
    # time
    "40": Script("answers after 2 s, delivered", delay=2.0),
    "41": Script(
        "429 for the first two submits, then accepted", SubmitAnswer.THROTTLED, taken=False, times=2
    ),
    "42": Script("always 429 with Retry-After: 1 → 39 in the end", SubmitAnswer.THROTTLED, taken=False),
    # doubt
    "43": Script("taken and delivered, the first submit gets no answer", SubmitAnswer.SILENCE, times=1),
    "44": Script("taken and delivered, no submit gets an answer", SubmitAnswer.SILENCE),
    "49": Script("not taken, the first submit is hung up on", SubmitAnswer.HANG_UP, taken=False, times=1),
    "50": Script("not taken, every submit is hung up on", SubmitAnswer.HANG_UP, taken=False),
    "51": Script("taken and delivered, the first submit is hung up on", SubmitAnswer.HANG_UP, times=1),
    "52": Script("not taken, the first submit gets 500", SubmitAnswer.FAILED, taken=False, times=1),
    # receipts
    "45": Script("accepted, never a receipt", receipts=()),
    "46": Script("the receipt comes before the answer", early=True),
    "47": _receipt("the receipt comes three times", "DELIVRD", "DELIVRD", "DELIVRD"),
    "48": _receipt("two receipts: ENROUTE, then delivered", "ENROUTE", "DELIVRD"),
    "53": _receipt("receipt UNDELIV, then delivered after all → 38, then 13", "UNDELIV", "DELIVRD"),
    "54": _receipt("a receipt with a word nobody knows: stays 12", "MOONED"),
    "55": Script("the receipt names our reference only", anonymous=True),
    "56": Script("one reference for each segment, all delivered", in_parts=True),
    "57": Script(
        "one reference for each segment, the last undelivered → 38",
        in_parts=True,
        receipts=(
            ReceiptStep("DELIVRD", parts=ReceiptParts.ALL_BUT_LAST),
            ReceiptStep("UNDELIV", parts=ReceiptParts.LAST),
        ),
    ),
    # parts over SMPP
    "64": Script(
        "part 2 over SMPP: 503 for the first submit, then accepted",
        SubmitAnswer.LATER,
        taken=False,
        times=1,
        part=2,
    ),
    "65": Script(
        "part 2 over SMPP: 429 for the first submit, then accepted",
        SubmitAnswer.THROTTLED,
        taken=False,
        times=1,
        part=2,
    ),
    "66": replace(_rejected("part 2 over SMPP: rejected without a reason → 38", "refused"), part=2),
    "67": Script(
        "part 2 over SMPP: taken and delivered, the first submit gets no answer",
        SubmitAnswer.SILENCE,
        times=1,
        part=2,
    ),
}

_ENDING: Final = re.compile(r"9900(\d\d)$")


def script_for(number: str, *, part: int | None = None) -> Script | None:
    """Return the effect of a special number on a part; None for any other number, which is delivered."""
    ending = _ENDING.search(number)
    script = SPECIAL.get(ending[1]) if ending else None
    return ORDINARY if script is not None and script.part not in (None, part) else script
