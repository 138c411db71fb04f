"""The answer to a name that is unknown: the one that was probably meant, or those that there are."""

import re
from collections.abc import Collection
from difflib import get_close_matches

_SIMILAR = 0.7
"""A quarter of the letters may differ: `send_at` is not taken for `sender`. Their order may differ too."""


def unknown_name(name: str, known: Collection[str]) -> str:
    """Return a sentence about a name that is not one of these."""
    if likely := likely_name(name, known):
        return f"unknown; did you mean {likely}?"
    return f"unknown; there are {', '.join(known)}" if known else "unknown; there are none"


def likely_name(name: str, known: Collection[str]) -> str | None:
    """Return the known name that was probably meant, whatever its case and separators (`notBefore`)."""
    written, folded = _folded(name), {_folded(one): one for one in known}
    shuffled = [other for other in folded if sorted(other) == sorted(written)]
    found = shuffled or get_close_matches(written, folded, n=1, cutoff=_SIMILAR)
    return folded[found[0]] if found else None


def _folded(name: str) -> str:
    return re.sub(r"[\W_]", "", name[:100]).casefold()
