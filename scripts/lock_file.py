"""Reads requirements.lock, as `make lock` writes it: each pin with its hashes, and what brings it in."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"

_VIA = re.compile(r"^ +#(?: via)? +(?!via$)([\w.-]+)(?:\[[\w,-]+\])?( \(pyproject\.toml\))?$")


@dataclass(frozen=True, slots=True)
class Pin:
    """One version of one package; `via` are the names that require it, the project's among them."""

    requirement: Requirement
    version: str
    hashes: list[str] = field(default_factory=list)  # SHA-256, in hex
    via: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name in its normal form."""
        return canonicalize_name(self.requirement.name)


def read_lock(text: str) -> list[Pin]:
    """Return the pins of a lock, in its order. Raises ValueError for a line that is none of its kinds."""
    return list(_pins(text))


def _pins(text: str) -> Iterator[Pin]:
    pin: Pin | None = None
    for line in text.splitlines():
        if line[:1].isalnum():
            if pin is not None:
                yield pin
            requirement = Requirement(line.removesuffix("\\").strip())
            [clause] = requirement.specifier
            pin = Pin(requirement, clause.version)
        elif pin is not None:
            _add(pin, line)
    if pin is not None:
        yield pin


def _add(pin: Pin, line: str) -> None:
    if digest := re.fullmatch(r" +--hash=sha256:([0-9a-f]{64})(?: \\)?", line):
        pin.hashes.append(digest[1])
    elif via := _VIA.match(line):
        pin.via.append(canonicalize_name(via[1]))
    elif line.strip() != "# via":
        raise ValueError(f"requirements.lock has an unknown line: {line!r}")
