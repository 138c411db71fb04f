"""Callbacks: one for each event and URL, at least once, until the URL has it or never will."""

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
from dispatcher.domain.errors import FaultKind, InvalidSubmission
from dispatcher.domain.messages.status import Status
from dispatcher.service.callbacks.sender import CallbackSender, FormattedCallback, Signature, SignedPayload
from tests.service.callbacks.callback_sending import work_off
from tests.world import World

URL = "https://shop.example/sms"
OTHER_URL = "https://other.example/sms"
OK = CallbackReply(200, "HTTP 200")


def _worded(happening: MessageEvent) -> FormattedCallback:
    body = {"status": int(happening.status), "seq": happening.seq, "event": happening.event}
    return FormattedCallback(body, Signature.STANDARD_WEBHOOKS)


def _signed(letter: SignedPayload) -> dict[str, str]:
    return {"webhook-id": letter.id, "signed-with": letter.secret}


@dataclass
class RecordingPoster:
    """A poster that answers as told, and remembers."""

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

    def told(self, url: str = URL) -> list[int]:
        return [json.loads(call.body)["status"] for call in self.calls if call.url == url]


def _teller(world: World, poster: RecordingPoster) -> CallbackSender:
    return CallbackSender(
        world.ctx, poster, formatters={"test": _worded}, signers={Signature.STANDARD_WEBHOOKS: _signed}
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


def test_each_event_of_a_batch_is_told_to_its_url_in_order(world: World) -> None:
    async def story() -> None:
        poster = RecordingPoster()
        teller = _teller(world, poster)
        batch = await world.submit(callback_url=URL, after=timedelta(hours=1))
        world.time.advance(timedelta(hours=1))
        await world.clock.release()
        await world.clock.fill()
        await world.deliver()
        assert await work_off(teller) == 3
        assert poster.told() == [Status.SCHEDULED, Status.PENDING, Status.SENT]
        assert [row.state for row in await _rows(world)] == ["delivered"] * 3
        assert await work_off(teller) == 0
        assert (await world.row(batch.messages[0].id)).status == Status.SENT

    world.run(story)


def test_a_batch_without_a_url_is_told_to_nobody(world: World) -> None:
    async def story() -> None:
        await world.submit()
        await world.deliver()
        assert await _rows(world) == []

    world.run(story)


def test_a_webhook_is_told_only_of_its_statuses_and_of_each_once(world: World) -> None:
    async def story() -> None:
        poster = RecordingPoster()
        batch = await world.submit()
        await _webhook(world, statuses=[int(Status.SENT)])  # registered later than the message came in
        await world.deliver()
        world.time.advance(timedelta(days=4))
        await world.clock.no_receipt()
        assert [reason for _, reason in await world.events(batch.messages[0].id)][-1] == "no_receipt"
        await work_off(_teller(world, poster))
        assert poster.told(OTHER_URL) == [Status.SENT]
        assert json.loads(poster.calls[0].body)["event"] == "sms:x"

    world.run(story)


def test_a_webhook_hears_nothing_of_another_dialect_or_account(world: World) -> None:
    async def story() -> None:
        await _webhook(world, statuses=[int(Status.PENDING)])
        await world.submit(caller=Caller(world.caller.account, "another"))
        await world.submit(caller=await world.another_account("other"))
        assert await _rows(world) == []

    world.run(story)


def test_the_same_id_and_the_account_s_secret_are_in_every_try(world: World) -> None:
    async def story() -> None:
        poster = RecordingPoster(lambda _: CallbackReply(503, "HTTP 503"))
        teller = _teller(world, poster)
        await world.submit(callback_url=URL)
        await work_off(teller)
        world.time.advance(timedelta(seconds=5))
        await work_off(teller)
        first, second = poster.calls
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        secret = (await world.one("SELECT callback_secret FROM accounts WHERE name = 'shop'")).callback_secret
        assert first.headers["signed-with"] == secret
        assert secret.startswith("whsec_")

    world.run(story)


def test_tries_come_at_growing_intervals_until_the_callback_is_worth_nothing(world: World) -> None:
    async def story() -> None:
        poster = RecordingPoster(lambda _: CallbackReply(None, "connection refused"))
        teller = _teller(world, poster)
        await world.submit(callback_url=URL)
        begun, waits = world.time.now(), []
        while (await work_off(teller)) and (row := (await _rows(world))[0]).state == "waiting":
            waits.append((row.wake_at - world.time.now()).total_seconds())
            world.time.at = row.wake_at
        assert waits[:5] == [5, 10, 20, 40, 80]
        assert max(waits) == 3600
        [row] = await _rows(world)
        assert (row.state, row.answer) == ("given_up", "connection refused")
        assert world.time.now() - begun <= timedelta(hours=24)

    world.run(story)


def test_retry_after_is_honoured(world: World) -> None:
    async def story() -> None:
        poster = RecordingPoster(lambda _: CallbackReply(429, "HTTP 429", retry_after=timedelta(minutes=7)))
        await world.submit(callback_url=URL)
        await work_off(_teller(world, poster))
        [row] = await _rows(world)
        assert row.wake_at - world.time.now() == timedelta(minutes=7)

    world.run(story)


@pytest.mark.parametrize(
    "reply",
    [
        CallbackReply(400, "HTTP 400"),
        CallbackReply(410, "HTTP 410"),
        CallbackReply(None, "the address is private", refused=True),
    ],
)
def test_a_url_that_will_never_take_it_is_not_tried_again(world: World, reply: CallbackReply) -> None:
    async def story() -> None:
        await world.submit(callback_url=URL)
        await work_off(_teller(world, RecordingPoster(lambda _: reply)))
        [row] = await _rows(world)
        assert (row.state, row.wake_at, row.answer) == ("refused", None, reply.reason)

    world.run(story)


@pytest.mark.parametrize("status", [301, 408, 429, 500, 503])
def test_a_passing_fault_is_tried_again(world: World, status: int) -> None:
    async def story() -> None:
        await world.submit(callback_url=URL)
        await work_off(_teller(world, RecordingPoster(lambda _: CallbackReply(status, f"HTTP {status}"))))
        [row] = await _rows(world)
        assert row.state == "waiting"

    world.run(story)


def test_a_bug_in_a_wording_loses_no_callback(world: World) -> None:
    async def story() -> None:
        def broken(_: MessageEvent) -> FormattedCallback:
            raise KeyError("a bug")

        teller = CallbackSender(world.ctx, RecordingPoster(), formatters={"test": broken}, signers={})
        await world.submit(callback_url=URL)
        await work_off(teller)
        [row] = await _rows(world)
        assert (row.state, row.answer) == ("waiting", "a fault of ours; see the log")

    world.run(story)


def test_two_tellers_never_take_the_same_callback(world: World) -> None:
    async def story() -> None:
        posters = RecordingPoster(), RecordingPoster()
        for _ in range(8):
            await world.submit(callback_url=URL)
        await asyncio.gather(*(work_off(_teller(world, poster)) for poster in posters))
        assert sum(len(poster.calls) for poster in posters) == 8

    world.run(story)


def test_a_slow_url_holds_up_only_its_own_account(world: World) -> None:
    async def story() -> None:
        slow = RecordingPoster(hold=asyncio.Event())
        teller = _teller(world, slow)
        for _ in range(30):
            await world.submit(callback_url=URL)
        assert await teller.take() == 10
        assert await teller.take() == 0
        other = await world.another_account("other")
        await world.submit(callback_url=OTHER_URL, caller=other)
        assert await teller.take() == 1
        await asyncio.sleep(0)
        assert slow.told(OTHER_URL) == [Status.PENDING]
        assert slow.hold is not None
        slow.hold.set()
        await work_off(teller)
        assert len(slow.calls) == 31

    world.run(story)


def test_a_teller_that_died_with_a_call_out_is_followed_by_another(world: World) -> None:
    async def story() -> None:
        await world.submit(callback_url=URL)
        dead = _teller(world, RecordingPoster())
        await dead.take()  # and nothing is ever written
        alive = RecordingPoster()
        assert await work_off(_teller(world, alive)) == 0
        world.time.advance(timedelta(seconds=61))
        assert await work_off(_teller(world, alive)) == 1
        await dead.write()  # it was not dead after all: too late to change anything
        [row] = await _rows(world)
        assert (row.state, row.tries) == ("delivered", 2)

    world.run(story)


@pytest.mark.parametrize(
    "url", ["ftp://x.example/", "http://127.0.0.1/", "http://[::1]/", "http://169.254.169.254/", "x"]
)
def test_a_url_that_may_never_be_called_is_refused_when_it_is_given(world: World, url: str) -> None:
    async def story() -> None:
        with pytest.raises(InvalidSubmission) as caught:
            await world.submit(callback_url=url)
        assert caught.value.faults[0].kind is FaultKind.BAD_URL

    world.run(story)


def test_a_running_teller_tells_without_being_asked(world: World) -> None:
    async def story() -> None:
        poster = RecordingPoster()
        running = asyncio.create_task(_teller(world, poster).run())
        await world.submit(callback_url=URL)
        done = await _until(lambda: _is_delivered(world))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert done
        assert poster.told() == [Status.PENDING]

    world.run(story)


async def _is_delivered(world: World) -> bool:
    return [row.state for row in await _rows(world)] == ["delivered"]


async def _until(condition: Callable[[], Awaitable[bool]]) -> bool:
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110 - it looks into the database
            await asyncio.sleep(0.02)
    return True
