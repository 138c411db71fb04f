"""How many examples there are, and values of which inputs are made."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "50"))
"""For each test; `make fuzz` has more."""

_LONGEST = timedelta(seconds=5)  # of one example; a busy machine takes many times as long as a free one

texts = st.text(max_size=60)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


def fuzz(*inputs: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator for a test of one argument for each strategy, the last ones."""

    def decorated(test: Callable[..., None]) -> Callable[..., None]:
        run = examples(
            max_examples=EXAMPLES,
            deadline=_LONGEST,
            suppress_health_check=list(HealthCheck),
            database=None,
        )
        return run(given(*inputs)(test))

    return decorated


@st.composite
def changed_octets(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Octets with a few pieces replaced, removed or put in."""
    found = draw(whole)
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(found)))
        end = draw(st.integers(start, min(len(found), start + 20)))
        found = found[:start] + draw(st.binary(max_size=20)) + found[end:]
    return found


@st.composite
def changed_json(draw: st.DrawFn, whole: Any) -> Any:
    """A JSON document with one of its values replaced, anywhere in it."""
    if isinstance(whole, dict) and whole and draw(st.integers(0, 9)):
        name = draw(st.sampled_from(list(whole)))
        kept = dict(whole) if draw(st.integers(0, 9)) else {k: v for k, v in whole.items() if k != name}
        return {**kept, name: draw(changed_json(whole[name]))} if name in kept else kept
    if isinstance(whole, list) and whole and draw(st.integers(0, 9)):
        at = draw(st.integers(0, len(whole) - 1))
        return [*whole[:at], draw(changed_json(whole[at])), *whole[at + 1 :]]
    return draw(json_values)


@st.composite
def changed_fields(draw: st.DrawFn, whole: dict[str, str]) -> dict[str, str]:
    """A form with some values replaced, some fields left out, and some more."""
    kept = {name: value for name, value in whole.items() if draw(st.integers(0, 7))}
    replaced = {name: draw(texts) for name in kept if not draw(st.integers(0, 3))}
    return {**kept, **replaced, **draw(st.dictionaries(texts, texts, max_size=2))}
