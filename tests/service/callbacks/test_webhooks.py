"""Webhooks are kept by account, dialect and id, and decide which events are sent to which URL."""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

import pytest

from dispatcher.domain.errors import Invalid
from dispatcher.domain.messages.status import Status
from dispatcher.service.callbacks import webhooks
from dispatcher.service.callbacks.webhooks import Webhook
from tests.world import World

_URL = "https://example.com/hook"


async def _register(world: World, name: str | None = "one", *, statuses: Collection[Status] = ()) -> Webhook:
    return await webhooks.register(
        world.ctx, world.caller, id=name, url=_URL, event="an event", statuses=statuses
    )


def test_a_webhook_is_kept_with_its_statuses_until_it_is_removed(world: World) -> None:
    async def story() -> None:
        made = await _register(world, statuses={Status.SENT, Status.RECEIVED})
        assert (made.id, made.url, made.event) == ("one", _URL, "an event")
        assert made.statuses == {Status.SENT, Status.RECEIVED}
        assert await webhooks.every(world.ctx, world.caller) == [made]
        await webhooks.remove(world.ctx, world.caller, "one")
        await webhooks.remove(world.ctx, world.caller, "one")
        assert await webhooks.every(world.ctx, world.caller) == []

    world.run(story)


def test_the_same_id_replaces_and_keeps_its_place(world: World) -> None:
    async def story() -> None:
        for name in ("one", "two", "one"):
            await _register(world, name)
        assert [webhook.id for webhook in await webhooks.every(world.ctx, world.caller)] == ["one", "two"]

    world.run(story)


def test_each_dialect_and_account_has_its_own(world: World) -> None:
    async def story() -> None:
        await _register(world)
        for other in (replace(world.caller, dialect="other"), await world.another_account("other")):
            assert await webhooks.every(world.ctx, other) == []
            await webhooks.remove(world.ctx, other, "one")
        assert len(await webhooks.every(world.ctx, world.caller)) == 1

    world.run(story)


def test_a_message_is_sent_once_to_each_webhook_of_its_status(world: World) -> None:
    async def story() -> None:
        await _register(world, "sent", statuses={Status.SENT})
        await _register(world, "taken back", statuses={Status.WITHDRAWN})
        await _register(world, "never")
        await world.submit()
        await world.deliver()
        await world.submit(after=timedelta(hours=1))
        rows = await world.all("SELECT webhook_id, event, url FROM callbacks")
        assert [row._asdict() for row in rows] == [{"webhook_id": "sent", "event": "an event", "url": _URL}]

    world.run(story)


def test_a_url_that_may_not_be_called_is_refused(world: World) -> None:
    async def story() -> None:
        for url in ("http://example.com", "https://10.0.0.1/", "", "https://"):
            with pytest.raises(Invalid):
                await webhooks.register(world.ctx, world.caller, id=None, url=url, event="x", statuses=())
        assert await webhooks.every(world.ctx, world.caller) == []

    world.run(story)


@pytest.mark.parametrize("name", ["", "x" * 101, "a\x00b", "\ud800"])
def test_an_invalid_id_is_refused(world: World, name: str) -> None:
    async def story() -> None:
        with pytest.raises(Invalid):
            await _register(world, name)

    world.run(story)


def test_an_account_has_a_maximum_of_webhooks_and_may_still_replace_one(world: World) -> None:
    async def story() -> None:
        for _ in range(webhooks.MAX_WEBHOOKS - 1):
            await _register(world, None)
        await _register(world, "last")
        with pytest.raises(Invalid, match="50"):
            await _register(world, None)
        await _register(world, "last", statuses={Status.SENT})

    world.run(story)
