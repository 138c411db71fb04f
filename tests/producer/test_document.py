"""The examples of docs/producer.md, as pasted."""

import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from dispatcher.store.database_url import sqlalchemy_url
from tests.producer.conftest import count

DOCUMENT = Path(__file__).parents[2] / "docs" / "producer.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
[DJANGO] = [example for example in EXAMPLES if "django" in example]
[FLASK] = [example for example in EXAMPLES if "flask" in example]
[PSYCOPG] = [example for example in EXAMPLES if "psycopg.connect" in example]

_DJANGO_SETTINGS = """
import os, django
from django.conf import settings
from sqlalchemy.engine import make_url
url = make_url(os.environ["DATABASE_URL"])
database = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": url.database,
    "USER": url.username,
    "PASSWORD": url.password,
    "HOST": url.query.get("host") or url.host,
    "PORT": url.query.get("port") or url.port or "",
}
settings.configure(SECRET_KEY="for tests", ALLOWED_HOSTS=["*"], DATABASES={"default": database})
django.setup()
"""
_DJANGO_REQUEST = """
from django.test import RequestFactory
print(place_order(RequestFactory().post("/orders", {"number": "+254712345678"})).content.decode())
"""
_FLASK_REQUEST = """
print(app.test_client().post("/orders", data={"number": "+254712345678"}).text)
"""


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    "script",
    [_DJANGO_SETTINGS + DJANGO + _DJANGO_REQUEST, FLASK + _FLASK_REQUEST, PSYCOPG],
    ids=["Django", "Flask", "psycopg"],
)
def test_an_example_places_an_order_and_sends_its_message(
    script: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_URL", url if script == PSYCOPG else sqlalchemy_url(url))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE orders (id serial PRIMARY KEY, number text)")
        try:
            done = subprocess.run(
                [sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=False
            )
            assert done.returncode == 0, done.stderr
            assert (count(url), count(url, "orders")) == (1, 1)
        finally:
            connection.execute("DROP TABLE orders")
