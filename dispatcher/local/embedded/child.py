"""
The launcher of every process: switches to an identity, ties its life to its parent's and becomes the command.

It is a script of its own and uses the standard library only: all this must happen in the child, and after a
`fork` a process with threads may not run Python. `command` builds its command line.
"""

import argparse
import contextlib
import ctypes
import os
import pwd
import signal
import sys
import time
from collections.abc import Sequence
from enum import StrEnum

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_GROUP_TRIES = 20
_GROUP_PAUSE = 0.1  # seconds
_OVERFLOW_UID = 65534  # what an unmapped owner looks like inside a namespace


class Identity(StrEnum):
    """The user that a process runs as; Postgres refuses uid 0 and a uid without a name."""

    SELF = "self"  # the user that starts it
    NAMESPACE = "namespace"  # the same user, under another uid inside a user namespace (Linux)
    NOBODY = "nobody"  # the user `nobody`; only root can become that


def command(
    argv: Sequence[str],
    *,
    identity: Identity = Identity.SELF,
    nice: int = 0,
    death_signal: int = signal.SIGKILL,
) -> list[str]:
    """
    Return the command line that runs `argv` as a child of the calling process.

    The child gets `death_signal` when the *thread* that started it ends, so
    start it from a thread that lives as long as the child should.
    """
    options = [
        f"--parent={os.getpid()}",
        f"--identity={identity}",
        f"--nice={nice}",
        f"--death={death_signal:d}",
    ]
    return [sys.executable, "-IS", __file__, *options, "--", *argv]


def probe(paths: Sequence[str], *, identity: Identity) -> list[str]:
    """Return a command line that exits with 0 if `identity` works here and has access to all `paths`."""
    return [sys.executable, "-IS", __file__, f"--identity={identity}", "--probe", "--", *paths]


def main() -> None:
    """Become the command given on the command line; never returns normally."""
    options = _options()
    if options.nice:
        _lower_priority(options.nice)
    _switch_to(Identity(options.identity))
    if options.probe:
        sys.exit(0 if all(_can_access(path) for path in options.argv) else 1)
    _die_with_parent(options.parent, options.death)
    try:
        os.execvp(options.argv[0], options.argv)  # noqa: S606 - this process becomes the command
    except OSError as error:
        sys.exit(f"{options.argv[0]}: {error.strerror}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="child", description=__doc__)
    parser.add_argument("--parent", type=int, default=os.getppid())
    parser.add_argument("--identity", choices=list(Identity), default=Identity.SELF)
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--death", type=int, default=int(signal.SIGKILL))
    parser.add_argument("--probe", action="store_true")
    parser.add_argument("argv", nargs="+")
    return parser.parse_args()


def _lower_priority(nice: int) -> None:
    """
    Lower the priority of this process, as far as the system allows.

    Each process has its own session. Where Linux schedules by sessions, the
    niceness of a process counts only within its group, so the group must be
    nice too (sched(7), "The autogroup feature").
    """
    with contextlib.suppress(PermissionError):
        os.nice(nice)
    if os.getsid(0) != os.getpid():
        return
    for _ in range(_GROUP_TRIES):
        try:
            _write("/proc/self/autogroup", str(nice))
        except BlockingIOError:  # the kernel allows one such change per 0.1 s
            time.sleep(_GROUP_PAUSE)
        except OSError:  # not supported, not enabled, or not permitted
            return
        else:
            return


def _switch_to(identity: Identity) -> None:
    match identity:
        case Identity.NAMESPACE:
            _enter_user_namespace()
        case Identity.NOBODY:
            _become_nobody()
        case Identity.SELF:
            pass


def _enter_user_namespace() -> None:
    """Become another user inside and stay the same outside: files and signals work, but not as uid 0."""
    if not sys.platform.startswith("linux"):
        sys.exit("user namespaces exist on Linux only")
    uid, gid = os.geteuid(), os.getegid()
    inside = _ordinary_user()
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUSER) != 0:
        sys.exit(f"no user namespace: {os.strerror(ctypes.get_errno())}")
    try:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{inside.pw_uid} {uid} 1")
        _write("/proc/self/gid_map", f"{inside.pw_gid} {gid} 1")
    except OSError as error:
        sys.exit(f"no user namespace: {error}")


def _ordinary_user() -> pwd.struct_passwd:
    """Return a user with a name, which initdb needs; not the one of unmapped owners if there is another."""
    ordinary = [user for user in pwd.getpwall() if user.pw_uid != 0]
    if not ordinary:
        sys.exit("no user other than root has a name here")
    return min(ordinary, key=lambda user: (user.pw_uid == _OVERFLOW_UID, user.pw_uid))


def _become_nobody() -> None:
    user = pwd.getpwnam("nobody")
    try:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    except OSError as error:
        sys.exit(f"cannot become nobody: {error.strerror}")


def _can_access(path: str) -> bool:
    if path == "/":  # checks only that the identity works
        return True
    return os.access(path, os.R_OK | os.X_OK | (os.W_OK if os.path.isdir(path) else 0))


def _die_with_parent(parent: int, death_signal: int) -> None:
    """
    Ask the kernel for `death_signal` when the parent dies.

    Must come after every change of credentials, which clears it (prctl(2)),
    and before the check whether the parent has already ended.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent has ended")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


if __name__ == "__main__":
    main()
