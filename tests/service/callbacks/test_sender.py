"""Callbacks: one for each event and URL, sent at least once, until it is delivered, refused or too old."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.callbacks.callback import CallbackReply, CallbackRequest
from dispatcher.domain.callbacks.events import MessageEvent
from dispatcher.domain.callbacks.retries import PHONE_RETRIES
from dispatcher.domain.callbacks.slots import MAX_CALLS_OF_HOST
from dispatcher.domain.errors import FaultKind, InvalidSubmission
from dispatcher.domain.messages.status import Status
from dispatcher.service.callbacks import admin
from dispatcher.service.callbacks.sender import CallbackSender, FormattedCallback, Signature, SignedPayload
from dispatcher.settings import Settings
from tests.service.callbacks.callback_sending import send_due
from tests.world import World

URL = "https://shop.example/sms"
OTHER_URL = "https://other.example/sms"
OK = CallbackReply(200, "HTTP 200")


def _formatted(event: MessageEvent) -> FormattedCallback:
    body = {"status": int(event.status), "seq": event.seq, "event": event.event}
    return FormattedCallback(body, Signature.STANDARD_WEBHOOKS)


def _signed(payload: SignedPayload) -> dict[str, str]:
    return {"webhook-id": payload.id, "signed-with": payload.secret}


@dataclass
class RecordingPoster:
    """A poster that gives set answers and records the calls."""

    reply: Callable[[CallbackRequest], CallbackReply] = lambda _: OK
    calls: list[CallbackRequest] = field(default_factory=list)
    hold: asyncio.Event | None = None

    async def post(self, call: CallbackRequest) -> CallbackReply:
        self.calls.append(call)
        if self.hold is not None:
            await self.hold.wait()
        return self.reply(call)

    async def close(self) -> None:
        pass

    def sent(self, url: str = URL) -> list[int]:
        return [json.loads(call.body)["status"] for call in self.calls if call.url == url]


def _sender(world: World, poster: RecordingPoster) -> CallbackSender:
    return CallbackSender(
        world.ctx, poster, formatters={"test": _formatted}, signers={Signature.STANDARD_WEBHOOKS: _signed}
    )


async def _rows(world: World) -> list[Any]:
    return list(await world.all("SELECT * FROM callbacks ORDER BY id"))


async def _webhook(world: World, *, statuses: list[int], url: str = OTHER_URL, id_: str = "w") -> None:
    await world.all(
        "INSERT INTO webhooks (account_id, dialect, id, url, event, statuses)"
        " VALUES (:account, 'test', :id, :url, 'sms:x', :statuses) RETURNING id",
        account=world.caller.account.id,
        id=id_,
        url=url,
        statuses=statuses,
    )


def test_each_event_of_a_batch_is_sent_to_its_url_in_order(world: World) -> None:
    async def story() -> None:
        poster = RecordingPoster()
        sender = _sender(world, poster)
        batch = await world.submit(callback_url=URL, after=timedelta(hours=1))
        world.time.advance(timedelta(hours=1))
        await world.clock.release()
        await world.clock.fill()
        await world.deliver()
        assert await send_due(sender) == 3
        assert poster.sent() == [Status.SCHEDULED, Status.PENDING, Status.SENT]
        assert [row.state for row in await _rows(world)] == ["delivered"] * 3
        assert await send_due(sender) == 0
        assert (await world.row(batch.messages[0].id)).status == Status.SENT

    world.run(story)


def test_a_batch_without_a_url_has_no_callbacks(world: World) -> None:
    async def story() -> None:
        await world.submit()
        await world.deliver()
        assert await _rows(world) == []

    world.run(story)


def test_a_webhook_gets_only_its_statuses_and_each_once(world: World) -> None:
    async def story() -> None:
        poster = RecordingPoster()
        batch = await world.submit()
        await _webhook(world, statuses=[int(Status.SENT)])  # registered later than the message came in
        await world.deliver()
        world.time.advance(timedelta(days=4))
        await world.clock.no_receipt()
        assert [reason for _, reason in await world.events(batch.messages[0].id)][-1] == "no_receipt"
        await send_due(_sender(world, poster))
        assert poster.sent(OTHER_URL) == [Status.SENT]
        assert json.loads(poster.calls[0].body)["event"] == "sms:x"

    world.run(story)


def test_a_webhook_gets_nothing_of_another_dialect_or_account(world: World) -> None:
    async def story() -> None:
        await _webhook(world, statuses=[int(Status.PENDING)])
        await world.submit(caller=Caller(world.caller.account, "another"))
        await world.submit(caller=await world.another_account("other"))
        assert await _rows(world) == []

    world.run(story)


def test_the_same_id_and_the_account_s_secret_are_in_every_try(world: World) -> None:
    async def story() -> None:
        poster = RecordingPoster(lambda _: CallbackReply(503, "HTTP 503"))
        sender = _sender(world, poster)
        await world.submit(callback_url=URL)
        await send_due(sender)
        world.time.advance(timedelta(seconds=6))
        await send_due(sender)
        first, second = poster.calls
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        secret = (await world.one("SELECT callback_secret FROM accounts WHERE name = 'shop'")).callback_secret
        assert first.headers["signed-with"] == secret
        assert secret.startswith("whsec_")

    world.run(story)


async def _waits(world: World, sender: CallbackSender) -> list[timedelta]:
    """Make each try of the only callback when it is due; return the waits between them."""
    waits = []
    while (await send_due(sender)) and (row := (await _rows(world))[0]).state == "waiting":
        waits.append(row.wake_at - world.time.now())
        world.time.at = row.wake_at
    return waits


def test_tries_come_over_days_at_growing_intervals(world: World) -> None:
    async def story() -> None:
        poster = RecordingPoster(lambda _: CallbackReply(None, "connection refused"))
        await world.submit(callback_url=URL)
        begun = world.time.now()
        waits = await _waits(world, _sender(world, poster))
        planned = [5, 30, 300, 1800, *(hours * 3600 for hours in (2, 5, 10, 14, 20, 24))]
        assert len(waits) == len(planned)
        for wait, seconds in zip(waits, planned, strict=True):
            assert seconds <= wait.total_seconds() <= 1.2 * seconds
        [row] = await _rows(world)
        assert (row.state, row.tries, row.answer) == ("given_up", 11, "connection refused")
        assert timedelta(days=3) < world.time.now() - begun < timedelta(days=4)

    world.run(story)


def test_callbacks_that_failed_together_are_not_tried_again_together(world: World) -> None:
    async def story() -> None:
        sender = _sender(world, RecordingPoster(lambda _: CallbackReply(503, "HTTP 503")))
        for _ in range(10):
            await world.submit(callback_url=URL)
        await send_due(sender)
        assert len({row.wake_at for row in await _rows(world)}) > 5

    world.run(story)


def test_no_try_comes_after_the_deadline_of_its_callback(settings: Settings) -> None:
    world = World(settings.model_copy(update={"callback_max_age": 3600}))

    async def story() -> None:
        sender = _sender(world, RecordingPoster(lambda _: CallbackReply(503, "HTTP 503")))
        await world.submit(callback_url=URL)
        begun = world.time.now()
        assert len(await _waits(world, sender)) == 4
        assert world.time.now() - begun <= timedelta(hours=1)
        assert (await _rows(world))[0].state == "given_up"

    world.run(story)


def test_a_replayed_callback_has_all_tries_and_a_deadline_of_its_own(world: World) -> None:
    async def story() -> None:
        sender = _sender(world, RecordingPoster(lambda _: CallbackReply(503, "HTTP 503")))
        await world.submit(callback_url=URL)
        assert len(await _waits(world, sender)) == 10
        world.time.advance(timedelta(days=30))
        await admin.replay(world.ctx, (await _rows(world))[0].id)
        assert len(await _waits(world, sender)) == 10
        assert (await _rows(world))[0].state == "given_up"

    world.run(story)


def test_a_dialect_has_a_retry_schedule_of_its_own(world: World) -> None:
    async def story() -> None:
        def formatted(_: MessageEvent) -> FormattedCallback:
            return FormattedCallback({}, Signature.STANDARD_WEBHOOKS, PHONE_RETRIES)

        sender = CallbackSender(
            world.ctx,
            RecordingPoster(lambda _: CallbackReply(404, "HTTP 404")),
            formatters={"test": formatted},
            signers={Signature.STANDARD_WEBHOOKS: _signed},
        )
        await world.submit(callback_url=URL)
        waits = await _waits(world, sender)
        assert (await _rows(world))[0].tries == 15
        for doublings, wait in enumerate(waits):
            planned = min(10 * 2**doublings, 5 * 3600)
            assert planned <= wait.total_seconds() <= 1.2 * planned

    world.run(story)


def test_retry_after_is_honoured(world: World) -> None:
    async def story() -> None:
        poster = RecordingPoster(lambda _: CallbackReply(429, "HTTP 429", retry_after=timedelta(minutes=7)))
        await world.submit(callback_url=URL)
        await send_due(_sender(world, poster))
        [row] = await _rows(world)
        assert row.wake_at - world.time.now() == timedelta(minutes=7)

    world.run(story)


@pytest.mark.parametrize(
    "reply",
    [
        CallbackReply(410, "HTTP 410"),
        CallbackReply(None, "the address is private", refused=True),
    ],
)
def test_a_url_that_will_never_take_it_is_not_tried_again(world: World, reply: CallbackReply) -> None:
    async def story() -> None:
        await world.submit(callback_url=URL)
        await send_due(_sender(world, RecordingPoster(lambda _: reply)))
        [row] = await _rows(world)
        assert (row.state, row.wake_at, row.answer) == ("refused", None, reply.reason)

    world.run(story)


@pytest.mark.parametrize("status", [100, 301, 304, 400, 401, 403, 404, 408, 409, 429, 500, 503, 599])
def test_a_passing_fault_is_tried_again(world: World, status: int) -> None:
    async def story() -> None:
        await world.submit(callback_url=URL)
        await send_due(_sender(world, RecordingPoster(lambda _: CallbackReply(status, f"HTTP {status}"))))
        [row] = await _rows(world)
        assert row.state == "waiting"

    world.run(story)


def test_a_bug_in_a_formatter_loses_no_callback(world: World) -> None:
    async def story() -> None:
        def broken(_: MessageEvent) -> FormattedCallback:
            raise KeyError("a bug")

        sender = CallbackSender(world.ctx, RecordingPoster(), formatters={"test": broken}, signers={})
        await world.submit(callback_url=URL)
        await send_due(sender)
        [row] = await _rows(world)
        assert (row.state, row.answer) == ("waiting", "a fault of ours; see the log")

    world.run(story)


def test_two_senders_never_take_the_same_callback(world: World) -> None:
    async def story() -> None:
        posters = RecordingPoster(), RecordingPoster()
        for _ in range(8):
            await world.submit(callback_url=URL)
        await asyncio.gather(*(send_due(_sender(world, poster)) for poster in posters))
        assert sum(len(poster.calls) for poster in posters) == 8

    world.run(story)


def test_a_slow_url_holds_up_only_its_own_account(world: World) -> None:
    async def story() -> None:
        slow = RecordingPoster(hold=asyncio.Event())
        sender = _sender(world, slow)
        for _ in range(30):
            await world.submit(callback_url=URL)
        assert await sender.take() == 10
        assert await sender.take() == 0
        other = await world.another_account("other")
        await world.submit(callback_url=OTHER_URL, caller=other)
        assert await sender.take() == 1
        await asyncio.sleep(0)
        assert slow.sent(OTHER_URL) == [Status.PENDING]
        assert slow.hold is not None
        slow.hold.set()
        await send_due(sender)
        assert len(slow.calls) == 31

    world.run(story)


def test_an_account_has_no_more_open_calls_than_its_slots_however_they_end(world: World) -> None:
    async def story() -> None:
        slow = RecordingPoster(hold=asyncio.Event())
        sender = _sender(world, slow)
        for _ in range(9):
            await world.submit(callback_url=URL)
        assert await sender.take() == 9
        for _ in range(20):
            await world.submit(callback_url=URL)
        assert await sender.take() == 1
        assert await sender.take() == 0

    world.run(story)


def test_a_tarpit_of_one_account_delays_no_other_that_calls_the_same_host(world: World) -> None:
    async def story() -> None:
        tarpit = RecordingPoster(hold=asyncio.Event())
        sender = _sender(world, tarpit)
        for _ in range(30):
            await world.submit(callback_url=URL)
        await sender.take()
        await world.submit(callback_url=URL, caller=await world.another_account("other"))
        assert await sender.take() == 1

    world.run(story)


def test_a_host_gets_no_more_calls_than_its_slots_and_other_hosts_of_the_account_go_on(world: World) -> None:
    async def story() -> None:
        sender = _sender(world, RecordingPoster(hold=asyncio.Event()))
        callers = [await world.another_account(f"a{number}") for number in range(4)]
        for caller in callers:
            for _ in range(10):
                await world.submit(callback_url=f"{URL}/{caller.account.id}", caller=caller)
        assert await sender.take() == MAX_CALLS_OF_HOST
        assert await sender.take() == 0
        await world.submit(callback_url=OTHER_URL, caller=callers[0])
        assert await sender.take() == 1

    world.run(story)


def test_another_sender_repeats_the_call_of_one_that_died(world: World) -> None:
    async def story() -> None:
        await world.submit(callback_url=URL)
        dead = _sender(world, RecordingPoster())
        await dead.take()  # and nothing is ever written
        alive = RecordingPoster()
        assert await send_due(_sender(world, alive)) == 0
        world.time.advance(timedelta(seconds=61))
        assert await send_due(_sender(world, alive)) == 1
        await dead.write()  # it was not dead after all: too late to change anything
        [row] = await _rows(world)
        assert (row.state, row.tries) == ("delivered", 2)

    world.run(story)


def test_a_late_result_does_not_end_the_try_of_another_sender(world: World) -> None:
    async def story() -> None:
        await world.submit(callback_url=URL)
        slow = _sender(world, RecordingPoster(lambda _: CallbackReply(410, "HTTP 410")))
        await slow.take()
        world.time.advance(timedelta(seconds=61))
        alive = _sender(world, RecordingPoster(hold=(answered := asyncio.Event())))
        assert await alive.take() == 1
        await asyncio.gather(*slow._calls)
        await slow.write()
        assert [row.state for row in await _rows(world)] == ["waiting"]
        answered.set()
        await send_due(alive)
        assert [(row.state, row.tries) for row in await _rows(world)] == [("delivered", 2)]

    world.run(story)


@pytest.mark.parametrize(
    "url", ["ftp://x.example/", "http://127.0.0.1/", "http://[::1]/", "http://169.254.169.254/", "x"]
)
def test_a_url_that_may_never_be_called_is_refused_when_it_is_submitted(world: World, url: str) -> None:
    async def story() -> None:
        with pytest.raises(InvalidSubmission) as caught:
            await world.submit(callback_url=url)
        assert caught.value.faults[0].kind is FaultKind.BAD_URL

    world.run(story)


def test_a_running_sender_sends_without_being_asked(world: World) -> None:
    async def story() -> None:
        poster = RecordingPoster()
        running = asyncio.create_task(_sender(world, poster).run())
        await world.submit(callback_url=URL)
        done = await _until(lambda: _is_delivered(world))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert done
        assert poster.sent() == [Status.PENDING]

    world.run(story)


async def _is_delivered(world: World) -> bool:
    return [row.state for row in await _rows(world)] == ["delivered"]


async def _until(condition: Callable[[], Awaitable[bool]]) -> bool:
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110 - it looks into the database
            await asyncio.sleep(0.02)
    return True
