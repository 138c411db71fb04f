"""Checks that requirements.lock matches pyproject.toml: the same requirements, extras and versions."""

import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Print each difference, and return 1 if there is one."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    faults = list(_faults(pyproject["project"], (ROOT / "requirements.lock").read_text()))
    for fault in faults:
        print(fault)
    if faults:
        print("requirements.lock does not match pyproject.toml: run `make lock`")
    return 1 if faults else 0


def _faults(project: dict[str, object], lock: str) -> Iterator[str]:
    required = [Requirement(text) for text in _requirements(project)]
    pins, direct = _read_lock(lock, project=str(project["name"]))
    for requirement in required:
        if fault := _fault(requirement, pins.get(canonicalize_name(requirement.name))):
            yield f"{requirement}: {fault}"
    for name in sorted(direct - {canonicalize_name(requirement.name) for requirement in required}):
        yield f"{name}: in the lock for this project, which no longer requires it"


def _requirements(project: dict[str, object]) -> Iterator[str]:
    match project:
        case {"dependencies": list(texts), "optional-dependencies": dict(extras)}:
            yield from texts
            for of_extra in extras.values():
                yield from of_extra
        case _:
            raise SystemExit("pyproject.toml has no [project] dependencies and optional-dependencies")


def _read_lock(lock: str, *, project: str) -> tuple[dict[str, Requirement], set[str]]:
    """Return each pin by name, and the names that the lock has because this project requires them."""
    pins: dict[str, Requirement] = {}
    direct: set[str] = set()
    name = ""
    for line in lock.splitlines():
        if line[:1].isalnum():
            pin = Requirement(line.removesuffix("\\").strip())
            name = canonicalize_name(pin.name)
            pins[name] = pin
        elif line.lstrip(" #").removeprefix("via ").startswith(f"{project} ("):
            direct.add(name)
    return pins, direct


def _fault(requirement: Requirement, pin: Requirement | None) -> str | None:
    if pin is None:
        return "not in the lock"
    versions: Sequence[str] = [clause.version for clause in pin.specifier]
    if not all(requirement.specifier.contains(version, prereleases=True) for version in versions):
        return f"the lock has {', '.join(versions)}"
    if missing := requirement.extras - pin.extras:
        return f"the lock lacks the extra {', '.join(sorted(missing))}"
    return None


if __name__ == "__main__":
    sys.exit(main())
