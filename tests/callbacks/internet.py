"""A fake Internet: a test resolves its names, and all addresses lead to one port of this machine."""

import asyncio
import gc
from collections.abc import Callable, Coroutine, Sequence
from socket import socket
from typing import Any, TypeVar

T = TypeVar("T")


class Names:
    """A resolver that returns one list of addresses after another, then the last again; records requests."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = answers
        self.asked: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self._answers[min(len(self.asked), len(self._answers)) - 1]


class Internet(asyncio.SelectorEventLoop):
    """A loop that records the requested addresses and connects to the port `leads_to` instead."""

    def __init__(self) -> None:
        super().__init__()
        self.leads_to: int | None = None
        self.connections: list[str] = []

    async def sock_connect(self, sock: socket, address: Any) -> None:
        self.connections.append(address[0])
        if self.leads_to is None:
            raise OSError("this test has no Internet")
        await super().sock_connect(sock, ("127.0.0.1", self.leads_to))


def run(work: Coroutine[Any, Any, T]) -> T:
    result = asyncio.run(work)
    gc.collect()
    return result


def run_on_internet(work: Callable[[Internet], Coroutine[Any, Any, T]]) -> T:
    internet = Internet()
    with asyncio.Runner(loop_factory=lambda: internet) as runner:
        result = runner.run(work(internet))
    gc.collect()
    return result
