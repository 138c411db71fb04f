"""`dispatcher inbound`: lists messages without their texts, and shows one with it."""

import asyncio
from uuid import UUID

import pytest

from dispatcher.domain.delivery.provider import Inbound
from dispatcher.service.receipts import ingest
from dispatcher.settings import Settings
from tests.cli.command import Run, refused
from tests.world import NUMBER, World


def ingest_messages(settings: Settings, *messages: Inbound) -> None:
    """Ingest messages as if a provider had reported them."""
    world = World(settings)

    async def work() -> None:
        async with world.open():
            await ingest.keep(world.ctx, "sim", messages)

    asyncio.run(work())


def test_messages_are_listed_the_newest_first_without_their_texts(shop: Run, settings: Settings) -> None:
    shop("sender", "add", "shop", "40404")
    ingest_messages(settings, Inbound(NUMBER, "40404", "STOP"), Inbound(NUMBER, "50505", "a secret"))
    header, second, first = shop("inbound", "list").out.splitlines()
    assert header.split() == ["id", "received", "(UTC)", "from", "to", "account", "action", "parts"]
    assert (second.split()[0], second.split()[3:]) == ("2", [NUMBER, "50505", "nobody"])
    assert (first.split()[0], first.split()[3:]) == ("1", [NUMBER, "40404", "shop", "stop"])
    assert "secret" not in second


def test_a_list_is_filtered_and_says_how_to_continue(shop: Run, settings: Settings) -> None:
    shop("sender", "add", "shop", "40404")
    ingest_messages(settings, *[Inbound(NUMBER, to, "Hi") for to in ("40404", "50505", "40404")])
    page = shop("inbound", "list", "--account", "shop", "--limit", "1", "--json")
    assert [one["id"] for one in page.json] == [3]
    rest = shop("inbound", "list", "--account", "shop", "--limit", "1", "--before", "3")
    assert rest.err == "There may be more: --before 1\n"
    ids = [one["id"] for one in shop("inbound", "list", "--number", "254712345678", "--json").json]
    assert ids == [3, 2, 1]
    refused(shop("inbound", "list", "--account", "none"), 1, "none")
    refused(shop("inbound", "list", "--number", "nobody"), 2, "nobody")


def test_a_message_is_shown_by_either_id_with_its_text(shop: Run, settings: Settings) -> None:
    ingest_messages(settings, Inbound(NUMBER, "40404", "Hi\x1b[2J\nthere", "mo-1"))
    shown = shop("inbound", "show", "1", "--json").json
    assert (shown["text"], shown["ref"], shown["account"]) == ("Hi\x1b[2J\nthere", "mo-1", None)
    assert shop("inbound", "show", shown["public_id"], "--json").json == shown
    messages = shop("inbound", "show", "1").out
    assert messages.splitlines()[-1] == r"text       Hi\x1b[2J\nthere"


@pytest.mark.parametrize("name", ["1", str(UUID(int=1))])
def test_an_unknown_message_is_refused(cli: Run, name: str) -> None:
    refused(cli("inbound", "show", name), 1, f"there is no inbound message {name}")


def test_a_wrong_id_is_refused(cli: Run) -> None:
    refused(cli("inbound", "show", "x"), 2, "'x' is neither a number nor a public id")
