"""A webhook is switched off when its URL is gone, or has failed for days, until it is switched on again."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from dispatcher.domain.callbacks.callback import CallbackReply, CallbackRequest
from dispatcher.domain.delivery.provider import Inbound
from dispatcher.domain.errors import NotFound
from dispatcher.domain.messages.status import Status
from dispatcher.service.accounts import accounts
from dispatcher.service.callbacks import admin, webhooks
from dispatcher.service.callbacks.sender import CallbackSender, FormattedCallback, Signature
from dispatcher.service.callbacks.webhooks import Webhook
from dispatcher.service.health.callback_checks import disabled_webhooks
from dispatcher.service.inbound import messages
from tests.service.callbacks.callback_sending import send_due
from tests.world import NUMBER, World

URL = "https://shop.example/hook"
CODE = "40404"
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


class Receiver:
    """A poster whose URL answers with `status`."""

    def __init__(self, status: int | None = 200) -> None:
        self.status = status
        self.called: list[str] = []

    async def post(self, call: CallbackRequest) -> CallbackReply:
        self.called.append(call.url)
        return CallbackReply(self.status, f"HTTP {self.status}" if self.status else "connection refused")

    async def close(self) -> None:
        pass


def sender(world: World, receiver: Receiver) -> CallbackSender:
    def formatted(_: object) -> FormattedCallback:
        return FormattedCallback({}, Signature.TIMESTAMPED)

    return CallbackSender(
        world.ctx,
        receiver,
        formatters={"test": formatted},
        inbound_formatters={"test": formatted},
        signers={Signature.TIMESTAMPED: lambda _: {}},
    )


async def register(world: World, *, statuses: Collection[Status] = (Status.PENDING,), **how: Any) -> Webhook:
    fields = {"id": "w", "url": URL, "event": "e", **how}
    return await webhooks.register(world.ctx, world.caller, statuses=statuses, **fields)


async def shown(world: World, name: str = "w") -> Webhook:
    return next(one for one in await webhooks.every(world.ctx, world.caller) if one.id == name)


async def states(world: World) -> list[str]:
    return [row.state for row in await world.all("SELECT state FROM callbacks ORDER BY id")]


async def go_on_for(world: World, calling: CallbackSender, days: float) -> None:
    """Let time pass with a message every six hours, and make each try when it is due."""
    until = world.time.now() + days * DAY
    while world.time.now() < until:
        await world.submit()
        await send_due(calling)
        step = world.time.now() + 6 * HOUR
        while (due := await _next_try(world)) is not None and due < step:
            world.time.at = max(due, world.time.at)
            await send_due(calling)
        world.time.at = step


async def _next_try(world: World) -> datetime | None:
    found: datetime | None = (await world.one("SELECT min(wake_at) AS due FROM callbacks")).due
    return found


def in_world(story: Callable[[World], Awaitable[None]]) -> Callable[[World], None]:
    def test(world: World) -> None:
        world.run(lambda: story(world))

    test.__name__ = story.__name__
    return test


@in_world
async def test_410_gone_ends_a_webhook_at_once_and_says_so(world: World) -> None:
    await register(world)
    receiver = Receiver(410)
    for _ in range(30):
        await world.submit()
    with capture_logs() as logs:
        await send_due(sender(world, receiver))
    assert len(receiver.called) <= 10  # what was under way when the first answer came
    off = await shown(world)
    assert (off.disabled_at, off.disabled_reason) == (world.time.now(), "its URL answered 410 Gone")
    notices = [entry for entry in logs if entry["event"] == "webhook_disabled"]
    assert [(n["log_level"], n["account"], n["webhook"], n["reason"]) for n in notices] == [
        ("warning", "shop", "w", "its URL answered 410 Gone")
    ]
    assert set(await states(world)) == {"refused"}
    await world.submit()
    assert len(await states(world)) == 30
    [finding] = await disabled_webhooks(world.ctx)
    assert finding.subject == "webhook w"
    assert finding.text.startswith("of shop (test) was switched off 0")
    assert finding.text.endswith(" ago: its URL answered 410 Gone")
    assert finding.advice == "once its URL works, `dispatcher webhook enable shop w`"


@in_world
async def test_a_callback_of_a_webhook_that_is_off_is_not_called_and_says_why(world: World) -> None:
    await register(world)
    receiver = Receiver(503)
    calling = sender(world, receiver)
    await world.submit()
    await send_due(calling)
    await world.submit()
    receiver.status = 410
    await send_due(calling)
    assert len(receiver.called) == 2
    world.time.advance(HOUR)  # the first one is due again
    await send_due(calling)
    assert len(receiver.called) == 2
    first = (await admin.page(world.ctx)).items[-1]
    words = "not called: the webhook is switched off, because its URL answered 410 Gone"
    assert (first.state, first.answer) == ("refused", words)


@pytest.mark.parametrize("how", ["registered again", "enabled"])
def test_a_webhook_that_is_on_again_is_called_again(world: World, how: str) -> None:
    async def story() -> None:
        await register(world)
        receiver = Receiver(410)
        calling = sender(world, receiver)
        await world.submit()
        await send_due(calling)
        receiver.status = 200
        if how == "enabled":
            [on] = await webhooks.enable(world.ctx, world.caller.account, "w")
        else:
            on = await register(world)
        assert (on.failing_since, on.disabled_at, on.disabled_reason) == (None, None, None)
        assert await disabled_webhooks(world.ctx) == []
        await world.submit()
        await send_due(calling)
        assert await states(world) == ["refused", "delivered"]
        await admin.replay(world.ctx, (await admin.page(world.ctx)).items[-1].id)
        await send_due(calling)
        assert await states(world) == ["delivered", "delivered"]

    world.run(story)


@in_world
async def test_an_unknown_webhook_cannot_be_enabled(world: World) -> None:
    await register(world, id="orders")
    for name in ("order", "a\x00b"):
        with pytest.raises(NotFound, match="orders"):
            await webhooks.enable(world.ctx, world.caller.account, name)


@in_world
async def test_only_the_webhook_that_is_gone_is_switched_off(world: World) -> None:
    await register(world)
    elsewhere = replace(world.caller, dialect="another")
    await webhooks.register(world.ctx, elsewhere, id="w", url=URL, event="e", statuses=[Status.PENDING])
    await world.submit(callback_url=URL)
    await register(world, id="other", url="https://other.example/")
    await send_due(sender(world, Receiver(410)))
    assert (await shown(world)).disabled_at is not None
    assert (await shown(world, "other")).disabled_at is None
    assert [one.disabled_at for one in await webhooks.every(world.ctx, elsewhere)] == [None]


@in_world
async def test_a_batch_whose_own_url_is_gone_goes_on_with_its_next_event(world: World) -> None:
    receiver = Receiver(410)
    calling = sender(world, receiver)
    await world.submit(callback_url=URL)
    await send_due(calling)
    await world.deliver()
    await send_due(calling)
    assert (len(receiver.called), await states(world)) == (2, ["refused", "refused"])


@in_world
async def test_a_late_answer_of_an_old_url_does_not_switch_off_the_new_one(world: World) -> None:
    await register(world)
    await world.submit()
    calling = sender(world, Receiver(410))
    await calling.take()
    await register(world, url="https://shop.example/moved")
    await send_due(calling)
    assert (await shown(world)).disabled_at is None


@in_world
async def test_a_webhook_that_has_failed_for_days_is_switched_off(world: World) -> None:
    await register(world)
    calling = sender(world, Receiver(None))
    began = world.time.now()
    await go_on_for(world, calling, 4.5)
    assert (await shown(world)).failing_since == began
    assert (await shown(world)).disabled_at is None
    await go_on_for(world, calling, 2)
    off = await shown(world)
    assert off.disabled_at is not None
    assert off.disabled_at - began >= 5 * DAY
    since = f"{began:%Y-%m-%d %H:%M} UTC"
    assert off.disabled_reason == f"it has failed since {since}, the last time with: connection refused"
    written = len(await states(world))
    await world.submit()
    assert len(await states(world)) == written


@in_world
async def test_one_success_is_enough_for_a_webhook_to_stay_on(world: World) -> None:
    await register(world)
    receiver = Receiver(500)
    calling = sender(world, receiver)
    await go_on_for(world, calling, 4)
    receiver.status = 200
    await world.submit()
    await send_due(calling)
    assert (await shown(world)).failing_since is None
    receiver.status = 500
    await go_on_for(world, calling, 4)
    assert (await shown(world)).disabled_at is None


@in_world
async def test_a_webhook_that_was_idle_since_its_last_failure_gets_all_tries_of_the_next(
    world: World,
) -> None:
    await register(world)
    calling = sender(world, Receiver(500))
    await world.submit()
    await send_due(calling)
    await world.all("DELETE FROM callbacks RETURNING id")
    world.time.advance(30 * DAY)
    await world.submit()
    await send_due(calling)
    assert (await shown(world)).disabled_at is None


@in_world
async def test_a_message_from_a_handset_is_not_sent_to_a_webhook_that_is_off(world: World) -> None:
    await accounts.add_sender(world.ctx, world.caller.account, CODE)
    await register(world, inbound=True)
    await world.submit()
    await send_due(sender(world, Receiver(410)))
    await messages.keep(world.ctx, "sim", [Inbound(sender=NUMBER, recipient=CODE, text="Hi", ref="a")])
    now = world.time.now()
    await messages.replay(world.ctx, world.caller, since=now - HOUR, until=now + HOUR)
    assert (await world.one("SELECT count(*) AS n FROM inbound")).n == 1
    assert await states(world) == ["refused"]
