"""A provider's refusal of a message, in its own words, without the number and the text of the message."""

import re
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher

from dispatcher.domain.delivery.provider import Deferred, Outcome, Rejected, Unsent, rest_of

_LEFT_OUT = "…"
_LONGEST = 200
_SHORTEST_QUOTE = 8  # a shorter part of a text that a provider repeats is a usual word
_MOST_TEXT = 2000
_PHONE_NUMBER = re.compile(r"\+?\d(?:[ ().-]{0,2}\d){6,}")
_REPEATED = re.compile("…(?: ?…)+")
_DIGITS = re.compile(r"\d{3,}")


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    A message that a provider did not take.

    `outcome` is what we made of it: "rejected 38", "deferred" or "unsent". `words` are
    the provider's. `of_account` means that it refuses our account or its
    credentials, and not the message; `since` is then when that began.
    """

    outcome: str
    words: str
    at: datetime
    of_account: bool = False
    since: datetime | None = None


def refusal_of(outcome: Outcome, *, number: str, text: str, at: datetime) -> Refusal | None:
    """Return the refusal in an outcome; None if the provider has the message, or may have it."""
    match rest_of(outcome):
        case Rejected(status=status, reason=reason):
            return Refusal(f"rejected {status.value}", _clean(reason, number, text), at)
        case Deferred(reason=reason, of_account=of_account):
            return Refusal("deferred", _clean(reason, number, text), at, of_account)
        case Unsent(reason=reason):
            return Refusal("unsent", _clean(reason, number, text), at)
    return None


def _clean(words: str, number: str, text: str) -> str:
    """Return a provider's words without phone numbers, and without what it repeats of the text."""
    words = words[:_LONGEST].replace(number, _LEFT_OUT).replace(number.lstrip("+"), _LEFT_OUT)
    words = _PHONE_NUMBER.sub(_LEFT_OUT, words)
    text = text[:_MOST_TEXT]
    for code in sorted(set(_DIGITS.findall(text)), key=len, reverse=True):
        words = words.replace(code, _LEFT_OUT)
    shortest = min(_SHORTEST_QUOTE, max(len(text), 1))
    while True:
        quote = SequenceMatcher(None, words, text, autojunk=False).find_longest_match()
        if quote.size < shortest:
            return _REPEATED.sub(_LEFT_OUT, words)
        words = words[: quote.a] + _LEFT_OUT + words[quote.a + quote.size :]
