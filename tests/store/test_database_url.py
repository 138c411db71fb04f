"""DATABASE_URL names one server or a list of them, as SQLAlchemy or libpq writes it."""

import pytest

from dispatcher.domain.errors import Misconfigured
from dispatcher.store.database_url import connect_arguments, read_url, sqlalchemy_url


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("postgresql://u:p@a:5433/db", "a", 5433),
        ("postgresql://u:p@a:5432,b:5433/db", "a,b", "5432,5433"),
        ("postgres://u:p@a,b:5433/db", "a,b", "5432,5433"),
        ("postgresql://u:p@a,b/db", "a,b", "5432,5432"),
        ("postgresql://u:p@[::1]:5432,[fd00::2]/db", "::1,fd00::2", "5432,5432"),
        ("postgresql+psycopg://u:p@/db?host=a,b&port=5432,5433", "a,b", "5432,5433"),
        ("postgresql+psycopg://u:p@/db?host=a,b&port=5433", "a,b", "5433,5433"),
        ("postgresql+psycopg://u:p@:5433/db?host=a,b", "a,b", "5433,5433"),
        ("postgresql+psycopg://u:p@/db?host=a:5432&host=b:5433", "a,b", "5432,5433"),
        ("postgresql://u:p@/db?host=/run/a,/run/b&port=5432,5433", "/run/a,/run/b", "5432,5433"),
    ],
)
def test_a_list_of_servers_is_read_in_each_spelling(url: str, host: str, port: int | str) -> None:
    separator = "&" if "?" in url else "?"
    found = connect_arguments(f"{url}{separator}target_session_attrs=read-write")
    assert found == {
        "user": "u",
        "password": "p",
        "dbname": "db",
        "host": host,
        "port": port,
        "target_session_attrs": "read-write",
    }


def test_a_password_keeps_its_signs() -> None:
    url = "postgresql://u:p%40%3A%2C%25@a:1,b:2/db"
    assert connect_arguments(url)["password"] == "p@:,%"
    assert connect_arguments(sqlalchemy_url(url)) == connect_arguments(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:secret@a:secret,b/db",
        "postgresql://u@/db?host=a,b,c&port=1,2",
        "postgresql",
        "postgresql://a:x/db",
    ],
)
def test_a_list_that_cannot_be_read_is_an_error(url: str) -> None:
    with pytest.raises(Misconfigured, match="DATABASE_URL is not like") as caught:
        read_url(url)
    assert "secret" not in str(caught.value)
