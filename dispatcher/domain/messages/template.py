"""
Texts with placeholders: `{{name}}` is replaced by a value; the values are not templates themselves.

Names are compared as GOV.UK Notify compares them: case, blanks, hyphens and
underscores make no difference, so that `{{ First Name }}` finds the column
"first_name". Doubled braces that are no placeholder are a mistake, and no text
that has any is sent; braces that open and close one by one, as in JSON, are
characters like others.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache

_LONGEST = 200  # characters of a name, with the blanks around it
# A third brace on either side makes it unclear what is meant.
_PLACEHOLDER = re.compile(r"(?<!\{)\{\{([^{}]{1,200})\}\}(?!\})")
_SINGLE = re.compile(r"(?<!\{)\{([^{}]{1,200})\}(?!\})")
_BRACE = re.compile(r"[{}]")
_DROPPED = frozenset({"Pd", "Cf"})  # hyphens and dashes; format characters, which nobody sees
_EXCERPT = 30  # characters
_FIX = "write {{name}} for a value, or a blank between braces that are meant as text"


class MissingVariables(ValueError):
    """The variables of a template that have no value."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        super().__init__(f"no value for {', '.join(names)}")


@lru_cache(maxsize=4096)
def fold_name(name: str) -> str:
    """Return a name without what makes no difference: case, blanks, hyphens, underscores, Unicode forms."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    kept = (c for c in folded if not (c.isspace() or c == "_" or unicodedata.category(c) in _DROPPED))
    return unicodedata.normalize("NFKC", "".join(kept))


@lru_cache(maxsize=256)
def variables(template: str) -> tuple[str, ...]:
    """Return the names of the variables of a template as written, each once, in order."""
    names: dict[str, str] = {}
    for written in _PLACEHOLDER.findall(template):
        if key := fold_name(written):
            names.setdefault(key, written.strip())
    return tuple(names.values())


def render(template: str, values: Mapping[str, str]) -> str:
    """
    Return a template with its variables replaced; other values are ignored. Raises MissingVariables.

    Of several values whose names differ only in what makes no difference, the
    one that is named exactly as in the template is taken; without such a one,
    none is.
    """
    names = variables(template)
    if not names:
        return template
    found = {name: values.get(name) for name in names}
    if None in found.values():
        by_key = _by_key(values)
        found = {
            name: by_key.get(fold_name(name)) if value is None else value for name, value in found.items()
        }
    if missing := tuple(name for name, value in found.items() if value is None):
        raise MissingVariables(missing)
    filled = {fold_name(name): value or "" for name, value in found.items()}
    return _PLACEHOLDER.sub(lambda match: filled.get(fold_name(match[1]), match[0]), template)


def stray_braces(template: str) -> str:
    """Return a sentence on the first doubled braces of a template that are no placeholder; "" without any."""
    return unfilled_braces(_PLACEHOLDER.sub(_blank, template))


def unfilled_braces(text: str) -> str:
    """Return a sentence on the first doubled braces of a text that is to be sent; "" without any."""
    start = text.find("{{")
    if start < 0:
        start = _unopened(text)
    if start < 0:
        return ""
    end = re.compile(r"\}+").search(text, start + 2)
    excerpt = text[start : min(end.end() if end else len(text), start + _EXCERPT)].strip()
    return f"{excerpt!r}; {_FIX}"


def unknown_names(template: str, columns: Collection[str], *, of: str) -> Sequence[str]:
    """Return a sentence on the variables of a template that no column `of` a file or an audience fills."""
    keys = set(map(fold_name, columns))
    unknown = [name for name in variables(template) if fold_name(name) not in keys]
    if not unknown:
        return ()
    has = ", ".join(columns) or "none"
    return (f"names {', '.join(unknown)}, which the {of} has no column for; it has {has}",)


def warnings(template: str, columns: Iterable[str]) -> Sequence[str]:
    """Return a sentence for each name in single braces that is a column, and so may be a mistake."""
    keys = {fold_name(column) for column in columns}
    written = dict.fromkeys(name for name in _SINGLE.findall(template) if fold_name(name) in keys)
    return [
        f"{{{name}}} is sent as it stands: write {{{{{name.strip()}}}}} for the value of this column"
        for name in written
    ]


def same_names(names: Sequence[str]) -> tuple[str, str] | None:
    """Return the first two names that differ only in what makes no difference; None without any."""
    seen: dict[str, str] = {}
    for name in names:
        if (key := fold_name(name)) in seen:
            return seen[key], name
        seen[key] = name
    return None


def _by_key(values: Mapping[str, str]) -> Mapping[str, str | None]:
    """Return the values by their folded names; None for several of one folded name."""
    found: dict[str, str | None] = {}
    for name, value in values.items():
        if len(name) <= _LONGEST:
            key = fold_name(name)
            found[key] = None if key in found else value
    return found


def _blank(found: re.Match[str]) -> str:
    return " " if fold_name(found[1]) else found[0]


def _unopened(text: str) -> int:
    """Return where braces begin that close twice and were opened once, or never; -1 without any."""
    if "}}" not in text:
        return -1
    opened: list[int] = []
    last = 0  # the last brace that opened
    for brace in _BRACE.finditer(text):
        place = brace.start()
        if brace[0] == "{":
            opened.append(place)
            last = place
        elif opened:
            opened.pop()
        elif text[place - 1 : place] == "}":
            return last if text.find("}", last) == place - 1 else place - 1
        elif text[place + 1 : place + 2] == "}":
            return place
    return -1
