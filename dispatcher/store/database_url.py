"""Reading DATABASE_URL: one server or a list of them, as SQLAlchemy or libpq writes it."""

import re
from typing import Any

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from dispatcher.domain.errors import Misconfigured

_DRIVER = "postgresql+psycopg"
_PARTS = re.compile(r"(?P<scheme>[\w+]+://)(?P<user>[^/?]*@)?(?P<hosts>[^/?@]*)(?P<rest>.*)", re.DOTALL)
_HOST = re.compile(r"\[(?P<ipv6>[^\]]*)\](?::(?P<port6>\d*))?|(?P<name>[^:]*)(?::(?P<port>\d*))?")


def read_url(url: str) -> URL:
    """
    Return the URL with the psycopg driver.

    The list of servers may be `//a:5432,b:5433/`, `host=a,b&port=5432,5433`
    with one port for all or one for each, or `host=a:5432&host=b:5433`. Raises
    Misconfigured, which does not quote the URL: it may have a password.
    """
    try:
        made = make_url(_with_hosts_in_query(url)).set(drivername=_DRIVER)
        hosts, port = made.query.get("host"), made.query.get("port", made.port)
        if isinstance(hosts, str) and "," in hosts and port is not None and "," not in str(port):
            ports = ",".join([str(port)] * len(hosts.split(",")))
            made = made.set(port=None).update_query_dict({"port": ports})
        made.get_dialect()().create_connect_args(made)  # raises for a list of ports of another length
    except (ArgumentError, ValueError):
        raise Misconfigured(
            "DATABASE_URL is not like postgresql://user:password@host:5432/database,"
            " or postgresql://user:password@host-a:5432,host-b:5432/database"
        ) from None
    return made


def sqlalchemy_url(url: str) -> str:
    """Return a Postgres URL of any form as SQLAlchemy reads it, with the psycopg driver."""
    return read_url(url).render_as_string(hide_password=False)


def connect_arguments(url: str) -> dict[str, Any]:
    """
    Return the arguments with which psycopg connects to this URL.

    Not a URL: libpq reads the "+" that SQLAlchemy writes for a blank, as in a socket's path, as a plus.
    """
    made = read_url(url)
    _, arguments = made.get_dialect()().create_connect_args(made)
    return dict(arguments)


def _with_hosts_in_query(url: str) -> str:
    """Return the URL with libpq's list of servers, `//a:5432,b:5433/`, as parameters of its query."""
    parts = _PARTS.fullmatch(url)
    if parts is None or "," not in parts["hosts"]:
        return url
    servers = [_HOST.fullmatch(server) for server in parts["hosts"].split(",")]
    if None in servers:
        raise ValueError("a server in the list is not like host:port")
    hosts = ",".join(server["ipv6"] or server["name"] for server in servers if server)
    ports = ",".join(server["port6"] or server["port"] or "5432" for server in servers if server)
    path, _, query = parts["rest"].partition("?")
    own = f"&{query}" if query else ""
    return f"{parts['scheme']}{parts['user'] or ''}{path or '/'}?host={hosts}&port={ports}{own}"
