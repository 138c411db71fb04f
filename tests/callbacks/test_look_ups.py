"""Look-ups have threads of their own and a deadline, and each name is looked up once at a time."""

import asyncio
import threading
from collections.abc import Sequence
from datetime import timedelta

import pytest

from dispatcher.callbacks.look_ups import LookUps, SlowLookUp
from dispatcher.domain.callbacks.slots import MAX_CALLS
from tests.callbacks.internet import run

SHORT = timedelta(milliseconds=200)


class NameServer:
    """A resolver that hangs until it is released, and notes the threads that ask."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.asked: list[str] = []

    def __call__(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        self.released.wait(10)
        return ["8.8.8.8"]


def test_a_hanging_name_leaves_the_loops_own_threads_free_and_others_are_found() -> None:
    async def work() -> None:
        server = NameServer()

        def find(host: str, port: int) -> Sequence[str]:
            return server(host, port) if host.startswith("slow") else ["1.1.1.1"]

        look_ups = LookUps(find)
        slow = [asyncio.create_task(look_ups(f"slow{number}.example", 443)) for number in range(100)]
        async with asyncio.timeout(5):
            while len(server.asked) < 100:  # noqa: ASYNC110 - threads ask
                await asyncio.sleep(0.01)
            assert await look_ups("quick.example", 443) == ["1.1.1.1"]
            assert await asyncio.to_thread(lambda: 7) == 7
        server.released.set()
        await asyncio.gather(*slow, return_exceptions=True)

    run(work())


def test_a_name_that_hangs_is_looked_up_once_for_all_who_ask() -> None:
    async def work() -> None:
        server = NameServer()
        look_ups = LookUps(server, deadline=SHORT)
        for _ in range(3):
            with pytest.raises(SlowLookUp, match=r"the host a\.example was not found within 0\.2 s"):
                await look_ups("a.example", 443)
        assert server.asked == ["a.example"]
        server.released.set()
        await look_ups.hung("a.example", 443)
        assert await look_ups("a.example", 443) == ["8.8.8.8"]
        assert server.asked == ["a.example"] * 2

    run(work())


def test_there_are_no_more_threads_than_calls() -> None:
    async def work() -> None:
        server = NameServer()
        look_ups = LookUps(server, deadline=timedelta())
        for number in range(MAX_CALLS):
            with pytest.raises(SlowLookUp, match="within 0 s"):
                await look_ups(f"h{number}.example", 443)
        with pytest.raises(SlowLookUp, match=f"{MAX_CALLS} other look-ups hang"):
            await look_ups("one.example", 443)
        server.released.set()
        await asyncio.gather(*(look_ups.hung(f"h{number}.example", 443) for number in range(MAX_CALLS)))

    run(work())


def test_an_error_of_the_resolver_is_raised_to_those_who_wait() -> None:
    def find(_host: str, _port: int) -> Sequence[str]:
        raise OSError("no such name")

    async def work() -> None:
        with pytest.raises(OSError, match="no such name"):
            await LookUps(find)("none.example", 443)

    run(work())


def test_the_systems_resolver_is_asked_by_default() -> None:
    async def work() -> None:
        assert set(await LookUps()("localhost", 443)) <= {"127.0.0.1", "::1"}
        with pytest.raises(OSError, match="not a name that can be looked up"):
            await LookUps()("a" * 64, 443)

    run(work())
