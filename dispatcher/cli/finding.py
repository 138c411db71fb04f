"""What a check of `dispatcher doctor` found, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"  # it works, and should be looked after
    FAIL = "fail"  # messages do not get on, or may be lost


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report; `advice` is empty where all is well."""

    subject: str
    level: Level
    text: str
    advice: str = ""


def ok(subject: str, text: str) -> Finding:
    """All is well."""
    return Finding(subject, Level.OK, text)


def warn(subject: str, text: str, advice: str) -> Finding:
    """It works, and should be looked after."""
    return Finding(subject, Level.WARN, text, advice)


def fail(subject: str, text: str, advice: str) -> Finding:
    """Messages do not get on, or may be lost."""
    return Finding(subject, Level.FAIL, text, advice)
