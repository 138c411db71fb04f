"""The result of a command that ran in this process."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The exit code of a command, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., CommandResult]


def refused(ended: CommandResult, code: int, text: str) -> None:
    """Assert that a command exited with this code, one line on standard error and no other output."""
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith("dispatcher: ")
    assert ended.err.count("\n") == 1
    assert text in ended.err
