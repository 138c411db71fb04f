"""Reading REDIS_URL when it names sentinels, which know the Redis server that is the master."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from dispatcher.domain.errors import Misconfigured

_SAMPLE = "sentinel://:password@host-a:26379,host-b:26379/0?master_name=mymaster"
_SCHEME = "sentinel"
_PORT = 26379
# The dead sentinel of a dead machine delays each new connection: it is asked once, and not for long.
_OPTIONS: Mapping[str, Any] = {"retry": None, "socket_timeout": 1, "socket_connect_timeout": 1}
_PARAMETERS = frozenset({"master_name", "sentinel_username", "sentinel_password"})


@dataclass(frozen=True, slots=True)
class SentinelUrl:
    """
    The addresses of sentinels, and the master that they are asked for.

    `login` is for Redis and `sentinel_login` for the sentinels: `username` and
    `password`, each if it is given.
    """

    sentinels: Sequence[tuple[str, int]]
    master_name: str
    database: int
    login: Mapping[str, str]
    sentinel_login: Mapping[str, str]

    def sentinel_options(self) -> dict[str, Any]:
        """Return the options of a client of a sentinel, whether it blocks or not."""
        return {**_OPTIONS, **self.sentinel_login}

    def broker_url(self) -> str:
        """Return Celery's list of URLs: each has the login, because Celery takes turns with them."""
        user, password = (quote(self.login.get(name, ""), safe="") for name in ("username", "password"))
        login = f"{user}:{password}@" if self.login else ""
        return ";".join(
            f"{_SCHEME}://{login}{f'[{host}]' if ':' in host else host}:{port}/{self.database}"
            for host, port in self.sentinels
        )


def read_sentinel_url(url: str) -> SentinelUrl | None:
    """
    Return the parts of a `sentinel://` URL, None for another URL.

    The sentinels are separated by commas, or, as Celery has them, whole URLs
    are separated by semicolons. Raises Misconfigured, which quotes nothing: a
    password may be anywhere.
    """
    if not url.startswith(f"{_SCHEME}://"):
        return None
    try:
        urls = [urlsplit(one) for one in url.split(";")]
        sentinels = [_address(one) for part in urls for one in part.netloc.rpartition("@")[2].split(",")]
    except ValueError:
        raise _wrong("a sentinel is not like host:26379") from None
    if any(one.scheme != _SCHEME for one in urls):
        raise _wrong(f"each URL of the list must begin with {_SCHEME}://")
    given = parse_qs("&".join(one.query for one in urls), keep_blank_values=True)
    values = {name: found[-1] for name, found in given.items()}
    if not values.keys() <= _PARAMETERS:
        raise _wrong(f"its parameters may be {', '.join(sorted(_PARAMETERS))} alone")
    if not values.get("master_name"):
        raise _wrong("it lacks ?master_name=NAME, the name that the sentinels have for the master")
    path = next((one.path.strip("/") for one in urls if one.path.strip("/")), "0")
    if not path.isdecimal():
        raise _wrong("its path is not the number of a database, such as /0")
    user, _, password = urls[0].netloc.rpartition("@")[0].partition(":")
    return SentinelUrl(
        sentinels=sentinels,
        master_name=values["master_name"],
        database=int(path),
        login=_login(unquote(user), unquote(password)),
        sentinel_login=_login(values.get("sentinel_username"), values.get("sentinel_password")),
    )


def _address(server: str) -> tuple[str, int]:
    """Return the host and port of a sentinel. Raises ValueError."""
    parts = urlsplit(f"//{server}")
    if not parts.hostname:
        raise ValueError
    return parts.hostname, parts.port or _PORT


def _wrong(why: str) -> Misconfigured:
    return Misconfigured(f"REDIS_URL is not like {_SAMPLE}: {why}")


def _login(username: str | None, password: str | None) -> dict[str, Any]:
    return {name: value for name, value in (("username", username), ("password", password)) if value}
