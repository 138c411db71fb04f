"""Checks that requirements.lock matches pyproject.toml: the same requirements, extras and versions."""

import sys
import tomllib
from collections.abc import Iterator, Sequence

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.lock_file import LOCK, ROOT, read_lock


def main() -> int:
    """Print each difference, and return 1 if there is one."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    faults = list(_faults(pyproject["project"], LOCK.read_text()))
    for fault in faults:
        print(fault)
    if faults:
        print("requirements.lock does not match pyproject.toml: run `make lock`")
    return 1 if faults else 0


def _faults(project: dict[str, object], lock: str) -> Iterator[str]:
    required = [Requirement(text) for text in _requirements(project)]
    read = read_lock(lock)
    pins = {pin.name: pin.requirement for pin in read}
    direct = {pin.name for pin in read if canonicalize_name(str(project["name"])) in pin.via}
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
