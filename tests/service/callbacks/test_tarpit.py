"""Callbacks over real sockets: receivers that never answer delay nobody but their own account."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from dispatcher.bootstrap import open_callback_sender
from dispatcher.domain.callbacks.slots import MAX_CALLS_OF_ACCOUNT
from dispatcher.service.callbacks.sender import FormattedCallback, Signature
from dispatcher.settings import Settings
from tests.providers.peer import http_reply
from tests.world import World


class Receiver:
    """A server that answers POST /ok at once, and nothing else ever."""

    def __init__(self) -> None:
        self.answered = 0
        self.hanging = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(65_536):
            if head.startswith(b"POST /ok"):
                self.answered += 1
                writer.write(http_reply(200))
            elif head.startswith(b"POST /tarpit"):
                self.hanging += 1
        writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1")
    async with server:
        receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield receiver


@asynccontextmanager
async def sending(world: World) -> AsyncIterator[None]:
    """Run the sender of the product."""

    def formatted(_: object) -> FormattedCallback:
        return FormattedCallback({}, Signature.STANDARD_WEBHOOKS)

    sender, poster = open_callback_sender(world.ctx, {"test": formatted}, {})
    running = asyncio.create_task(sender.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await poster.close()


async def until(condition: Callable[[], bool]) -> float:
    """Wait until the condition holds; return how long it took."""
    began = time.monotonic()
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - counters of the server
            await asyncio.sleep(0.01)
    return time.monotonic() - began


def in_development(settings: Settings, story: Callable[[World], Awaitable[None]]) -> None:
    world = World(settings.model_copy(update={"callback_private": True}))
    world.run(lambda: story(world))


def test_a_tarpit_delays_no_other_account_that_calls_the_same_host(settings: Settings) -> None:
    async def story(world: World) -> None:
        async with receiving() as receiver, sending(world):
            for _ in range(30):
                await world.submit(callback_url=f"{receiver.url}/tarpit")
            await until(lambda: receiver.hanging == MAX_CALLS_OF_ACCOUNT)
            other = await world.another_account("other")
            for number in range(1, 6):
                await world.submit(callback_url=f"{receiver.url}/ok", caller=other)
                assert await until(lambda wanted=number: receiver.answered == wanted) < 5  # type: ignore[misc]
            assert receiver.hanging == MAX_CALLS_OF_ACCOUNT

    in_development(settings, story)


def test_a_quick_receiver_gets_a_backlog_faster_than_it_is_looked_for(settings: Settings) -> None:
    """Slots are given again as calls end: ten calls a look, four looks a second, would take ten seconds."""

    async def story(world: World) -> None:
        numbers = [f"+2547123456{number:02}" for number in range(100)]
        async with receiving() as receiver:
            for _ in range(4):
                await world.submit(numbers, callback_url=f"{receiver.url}/ok")
            async with sending(world):
                assert await until(lambda: receiver.answered == 400) < 9

    in_development(settings, story)
