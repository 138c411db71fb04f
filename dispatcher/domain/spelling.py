"""Names that do not exist: the ones that were probably meant, or those that there are."""

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches

_SIMILAR = 0.7
"""A quarter of the letters may differ: `send_at` is not taken for `sender`. Their order may differ too."""

_LISTED = 10
_COMPARED = 1000
_LONGEST = 200  # characters of a wanted name that are compared; comparing takes as long as it is


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


def name_choices(wanted: str, known: Iterable[str]) -> str:
    """Return the known names; if there are many, those that are most like the wanted one."""
    names = list(dict.fromkeys(known))
    if not names:
        return "there is none"
    if len(names) <= _LISTED:
        return f"there {'is' if len(names) == 1 else 'are'}: {', '.join(names)}"
    folded = {_folded(name): name for name in names[:_COMPARED]}
    near = get_close_matches(_folded(wanted), folded, n=3)
    if not near:
        return f"none of the {len(names):,} names is like it"
    return f"did you mean {' or '.join(folded[name] for name in near)}?"


def _folded(name: str) -> str:
    return re.sub(r"[\W_]", "", name[:_LONGEST]).casefold()
