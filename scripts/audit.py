"""
Look up the pins of requirements.lock among known vulnerabilities, by pip-audit.

Exits with 1 for a known vulnerability, and for a pin that the source of advisories does not know. Where no
source can be reached, says so in one line, and exits with 0: nothing is known then, neither good nor bad.
Arguments go to pip-audit: `make audit ARGS="--vulnerability-service osv"`.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scripts.lock_file import LOCK, Pin, read_lock

PIP_AUDIT: Final = (sys.executable, "-m", "pip_audit")

OPTIONS: Final = ("--no-deps", "--disable-pip", "--progress-spinner=off", "--format=json", "--timeout=10")
_UNREACHABLE: Final = (
    "ConnectionError",
    "Could not connect",
    "Max retries exceeded",
    "NameResolutionError",
    "ProxyError",
    "SSLError",
    "Tried to connect",
    "timed out",
)


@dataclass(frozen=True, slots=True)
class Audited:
    """The answer about some pins: a line for each known vulnerability, and for each pin that is unknown."""

    vulnerabilities: Sequence[str]
    unknown: Sequence[str]


class Unreachable(Exception):
    """No source of advisories answers."""


def main(command: Sequence[str] = PIP_AUDIT) -> int:
    """Print each vulnerability, and return 1 if there is one."""
    pins = read_lock(LOCK.read_text(encoding="utf-8"))
    try:
        _probe(pins[:1], command)
        answers = [_audit(group, command) for group in _groups(pins)]
    except Unreachable as reason:
        print(f"audit: no source of advisories could be reached, so nothing was looked up ({reason})")
        return 0
    known = [line for answer in answers for line in answer.vulnerabilities]
    unknown = [line for answer in answers for line in answer.unknown]
    print(*known, *unknown, sep="\n", end="\n" if known or unknown else "")
    print(f"audit: {len(pins)} pins, {len(known)} known vulnerabilities, {len(unknown)} pins unknown")
    return 1 if known or unknown else 0


def _probe(pins: Sequence[Pin], command: Sequence[str]) -> None:
    """Raise Unreachable if the source does not know these pins either: a mirror may have no advisories."""
    if unknown := _audit(pins, command).unknown:
        raise Unreachable(*unknown)


def _groups(pins: Sequence[Pin]) -> Iterator[Sequence[Pin]]:
    """Yield the pins in groups with each name once, as pip-audit needs: some have two versions."""
    waiting = list(pins)
    while waiting:
        group = list({pin.name: pin for pin in reversed(waiting)}.values())
        waiting = [pin for pin in waiting if pin not in group]
        yield group


def _audit(pins: Sequence[Pin], command: Sequence[str]) -> Audited:
    """Return what is known of these pins. Raises Unreachable."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.txt"
        file.write_text("".join(f"{pin.name}=={pin.version}\n" for pin in pins), encoding="utf-8")
        done = subprocess.run(
            [*command, *OPTIONS, "--requirement", str(file)], capture_output=True, text=True
        )
    try:
        document = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        if any(word in done.stderr for word in _UNREACHABLE):
            raise Unreachable(last[:100]) from None
        raise SystemExit(f"audit: pip-audit failed: {last}") from None
    found = document["dependencies"]
    return Audited(
        [_line(one, known) for one in found for known in one.get("vulns", ())],
        [f"{one['name']}: {one['skip_reason']}" for one in found if "skip_reason" in one],
    )


def _line(one: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    fixed = ", ".join(known["fix_versions"]) or "no version"
    return f"{one['name']}=={one['version']}: {known['id']}, fixed in {fixed}"


if __name__ == "__main__":
    sys.exit(main((*PIP_AUDIT, *sys.argv[1:])))
