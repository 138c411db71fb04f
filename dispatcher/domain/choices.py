"""What there is instead of a name that does not exist, for errors."""

from collections.abc import Iterable
from difflib import get_close_matches

_LISTED = 10
_COMPARED = 1000
_LONGEST = 200  # characters of a wanted name that are compared; comparing takes as long as it is


def name_choices(wanted: str, known: Iterable[str]) -> str:
    """Return the known names; if there are many, those that are most like the wanted one."""
    names = list(dict.fromkeys(known))
    if not names:
        return "there is none"
    if len(names) <= _LISTED:
        return f"there {'is' if len(names) == 1 else 'are'}: {', '.join(names)}"
    by_folded = {name.casefold(): name for name in names[:_COMPARED]}
    near = get_close_matches(wanted[:_LONGEST].casefold(), by_folded, n=3)
    if not near:
        return f"none of the {len(names):,} names is like it"
    return f"did you mean {' or '.join(by_folded[name] for name in near)}?"
