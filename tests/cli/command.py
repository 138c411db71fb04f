"""A command run in this process, and how it ended."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ended]


def refused(ended: Ended, code: int, words: str) -> None:
    """Check that a command ended with this code and one line on standard error, and printed nothing."""
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith("dispatcher: ")
    assert ended.err.count("\n") == 1
    assert words in ended.err
