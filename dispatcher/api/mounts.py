"""The applications of one listener, by the path at which each is mounted."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dispatcher.api.errors import PROBLEM, problem
from dispatcher.api.operations import MountedApp, MountPoint
from dispatcher.domain.errors import Misconfigured

_PATH = re.compile(r"(/[^/]+)+")

NO_APP = MountedApp("none", title="", mounts=(), envelope=problem, media_type=PROBLEM)
"""The application of a path that no other serves."""


@dataclass(frozen=True, slots=True)
class Target:
    """The application of a path, and the `prefix` that it was moved below."""

    app: MountedApp
    mount: MountPoint
    prefix: str


_NOTHING = Target(NO_APP, MountPoint("/"), "")


class Mounts:
    """
    The mount points of applications; `prefixes` moves applications, by name, below other paths.

    Raises Misconfigured if two of them have the same mount point.
    """

    def __init__(self, apps: Sequence[MountedApp], prefixes: Mapping[str, str]) -> None:
        self._targets = _by_path(apps, prefixes)
        self._depth = max((path.count("/") for path in self._targets), default=0)

    def find(self, path: str) -> Target:
        """Return the target whose mount point is the longest that the path starts with."""
        steps = path.split("/", self._depth + 1)[: self._depth + 1]
        for length in range(len(steps), 1, -1):
            found = self._targets.get("/".join(steps[:length]))
            if found is not None:
                return found
        return _NOTHING

    def serves(self, path: str) -> bool:
        """Return whether an application is mounted at a path or above it."""
        return self.find(path) is not _NOTHING


def _by_path(apps: Sequence[MountedApp], prefixes: Mapping[str, str]) -> Mapping[str, Target]:
    targets: dict[str, Target] = {}
    for app in apps:
        prefix = prefixes.get(app.name, "")
        for mount in app.mounts:
            path = prefix + mount.path
            if not _PATH.fullmatch(path):
                raise Misconfigured(
                    f"{app.name} has the mount point {path!r}; it must start with / and not end with one"
                )
            if path in targets:
                raise Misconfigured(
                    f"{targets[path].app.name} and {app.name} have the same mount point {path}"
                )
            targets[path] = Target(app, mount, prefix)
    return targets
