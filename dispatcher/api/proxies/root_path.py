"""The root path: where a proxy serves the API to clients, such as /sms of https://example.org/sms."""

from collections.abc import Callable

from starlette.types import Scope


def strip_root(path: str, root: str, *, is_served: Callable[[str], bool]) -> str:
    """
    Return a path without the root path, whether or not the proxy has removed it already.

    A path that starts with the root path loses it if something is served at the
    rest. Any other is as it came: from a proxy that has removed it, or from a client
    behind the proxy. It is removed once, so an API may itself be at /sms below /sms.
    """
    if root and (path == root or path.startswith(f"{root}/")):
        rest = path[len(root) :]
        if is_served(rest):
            return rest
    return path


def public_root(scope: Scope) -> str:
    """Return the root path of a request, without the prefix that its application is moved below."""
    return str(scope.get("app_root_path", ""))
