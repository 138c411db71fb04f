"""The finding of one check, which `/readyz` and `dispatcher doctor` share."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    WARN = "warn"  # it works but needs attention
    FAIL = "fail"  # messages are stuck or may be lost


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report; `advice` is empty if all is well."""

    subject: str
    level: Level
    text: str
    advice: str = ""

    def __str__(self) -> str:
        """Return it as one sentence, as `/readyz` shows it."""
        return f"{self.subject}: {self.text}" + (f" -> {self.advice}" if self.advice else "")


def ok(subject: str, text: str) -> Finding:
    """Return the finding that all is well."""
    return Finding(subject, Level.OK, text)


def warn(subject: str, text: str, advice: str) -> Finding:
    """Return a finding that something works but needs attention."""
    return Finding(subject, Level.WARN, text, advice)


def fail(subject: str, text: str, advice: str) -> Finding:
    """Return a finding that messages are stuck or may be lost."""
    return Finding(subject, Level.FAIL, text, advice)
