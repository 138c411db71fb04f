"""The dispatcher's tables in a schema of their own, as docs/producer.md sets it up."""

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from dispatcher.bootstrap import open_context
from dispatcher.producer import Dispatcher
from dispatcher.service.accounts import accounts
from dispatcher.settings import Settings
from dispatcher.store.migrate import upgrade
from tests.producer.conftest import count
from tests.world import NUMBER, World

DOCUMENT = Path(__file__).parents[2] / "docs" / "producer.md"
SET_UP, GRANTS = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def own_schema(url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Set up the role and the schema of the document, with an account `shop` there."""
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("CREATE ROLE web LOGIN PASSWORD 'w'; CREATE TABLE messages_of_web (id integer)")
        owner.execute("GRANT ALL ON messages_of_web TO web")
        owner.execute(SET_UP)
        try:
            found = make_url(url).set(username="sms", password="…")
            ours = found.render_as_string(hide_password=False)
            upgrade(ours)
            owner.execute(GRANTS)
            monkeypatch.setenv("DATABASE_URL", ours)
            made = settings.model_copy(update={"database_url": type(settings.database_url)(ours)})
            World(made).run_without_account(lambda: _create_shop(made))
            yield made
        finally:
            owner.execute("DROP OWNED BY sms, web CASCADE")
            owner.execute("DROP TABLE messages_of_web")
            owner.execute("DROP ROLE sms")
            owner.execute("DROP ROLE web")


async def _create_shop(settings: Settings) -> None:
    async with open_context(settings, name="test") as ctx:
        account = await accounts.create(ctx, "shop", credits=100, country="KE")
        await accounts.add_sender(ctx, account, "SHOP")


@pytest.mark.usefixtures("own_schema")
def test_tables_in_a_schema_of_their_own_are_found_from_any_search_path(url: str) -> None:
    web = make_url(url).set(username="web", password="w").render_as_string(hide_password=False)
    with Dispatcher.from_env(account="shop") as sms, psycopg.connect(web) as connection:
        connection.execute("INSERT INTO messages_of_web VALUES (1)")
        batch = sms.send(NUMBER, "Hello", connection=connection)
        connection.execute("INSERT INTO messages_of_web VALUES (2)")
        connection.commit()
        assert sms.message(batch.messages[0].id).text == "Hello"
    assert (count(url, "messages_of_web"), count(url, "messages"), count(url, "sms.messages")) == (
        2,
        0,
        1,
    )
