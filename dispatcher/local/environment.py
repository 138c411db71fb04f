"""
Finds the stack of a command.

In this order: the directory that `--data DIR` names, the URLs in the
environment, and the stack of `dispatcher up` in the default directory:
DISPATCHER_DATA, else `.data` in the working directory.
"""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from dispatcher.domain.errors import Misconfigured
from dispatcher.local.private_file import write_private
from dispatcher.settings import BrokerSettings, Settings, load_broker_settings, load_settings

FILE = "environment"
"""The file in a data directory with the environment of its processes, in shell syntax."""

_DEFAULT = ".data"
_URLS = ("DATABASE_URL", "REDIS_URL")
_PREFIX = "DISPATCHER_"
_BROKER = ("REDIS_URL", "DISPATCHER_LOG_LEVEL", "DISPATCHER_FLOWER_AUTH")


def default_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the data directory for a command that names none."""
    return Path(environ.get("DISPATCHER_DATA") or _DEFAULT)


def has_urls(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the environment names the servers. Raises Misconfigured if it names only one."""
    named = [name for name in _URLS if _is_named(name, environ)]
    if len(named) == 1:
        [missing] = set(_URLS) - set(named)
        raise Misconfigured(f"{named[0]} is set and {missing} is not: set both, or neither")
    return bool(named)


def _is_named(name: str, environ: Mapping[str, str]) -> bool:
    return bool(environ.get(name) or environ.get(f"{name}_FILE"))


def find(data: Path | None, environ: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """
    Return the variables of the requested stack that the environment lacks.

    The URLs of a directory named by `data` win over those of the environment.
    Raises Misconfigured, with advice, if there is no stack.
    """
    if data is None and has_urls(environ):
        return {}
    file = (data or default_directory(environ)) / FILE
    if not file.exists():
        missing = f"there is no {file}"
        raise Misconfigured(
            f"no dispatcher found ({missing}): start one with `dispatcher up`, name its directory with"
            " --data, or set DATABASE_URL and REDIS_URL"
        )
    variables = read(file)
    return {name: value for name, value in variables.items() if name in _URLS or name not in environ}


def load(data: Path | None) -> Settings:
    """
    Put the requested stack's variables into this process's environment, and return its settings.

    Values from files are in the environment afterwards, for the processes
    that this one starts or becomes. Raises Misconfigured.
    """
    found = find(data)
    for name in found:
        os.environ.pop(f"{name}_FILE", None)
    os.environ.update(found)
    return inline_files()


def load_broker(data: Path | None) -> None:
    """Put what beat and Flower need of the stack into this process's environment. Raises Misconfigured."""
    if data is not None or not _is_named("REDIS_URL", os.environ):
        found = find(data)
        os.environ.pop("REDIS_URL_FILE", None)
        os.environ.update({name: value for name, value in found.items() if name in _BROKER})
    settings = load_broker_settings()
    _check_redis_url(settings)
    os.environ.pop("REDIS_URL_FILE", None)
    os.environ["REDIS_URL"] = settings.redis_url.get_secret_value()


def inline_files() -> Settings:
    """Return the settings, after replacing our NAME_FILE variables by NAME. Raises Misconfigured."""
    settings = load_settings()
    _check_urls(settings)
    for name in [name for name in os.environ if name.endswith("_FILE")]:
        if name.startswith((*_URLS, _PREFIX)):
            file, plain = Path(os.environ.pop(name)), name.removesuffix("_FILE")
            os.environ[plain] = os.environ.get(plain) or file.read_text(encoding="utf-8").strip()
    return settings


def read(file: Path) -> dict[str, str]:
    """Return the variables of an environment file. Raises Misconfigured."""
    try:
        words = shlex.split(file.read_text(encoding="utf-8"), comments=True)
        return dict(_pair(word) for word in words)
    except ValueError as error:
        raise Misconfigured(f"{file} cannot be read as NAME=VALUE lines: {error}") from None


def write(file: Path, environ: Mapping[str, str]) -> None:
    """Write the URLs and all DISPATCHER_ variables to a file that only this user can read."""
    lines = [
        f"{name}={shlex.quote(value)}\n"
        for name, value in sorted(environ.items())
        if name in _URLS or (name.startswith(_PREFIX) and not name.endswith("_FILE"))
    ]
    write_private(file, "# Written by `dispatcher up` at each start. Contains secrets.\n" + "".join(lines))


def _check_urls(settings: Settings) -> None:
    """Raise Misconfigured for a URL that cannot be parsed, without quoting it: it may have a password."""
    from dispatcher.store.database_url import read_url

    read_url(settings.database_url.get_secret_value())
    _check_redis_url(settings)


def _check_redis_url(settings: BrokerSettings) -> None:
    from redis.connection import parse_url

    from dispatcher.lanes.redis_url import read_sentinel_url

    redis_url = settings.redis_url.get_secret_value()
    if read_sentinel_url(redis_url) is not None:
        return
    try:
        parse_url(redis_url)  # type: ignore[no-untyped-call]
    except ValueError:
        raise Misconfigured("REDIS_URL is not like redis://:password@host:6379/0") from None


def _pair(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals:
        raise ValueError(f"{word[:20]!r} has no =")
    return name, value
