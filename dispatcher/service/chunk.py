"""What a lane entry is until its messages are claimed: one ticket for each, and who is still out."""

import asyncio
from dataclasses import dataclass, field

from dispatcher.domain.message import Due


class Chunk:
    """The messages of one lane entry; `over` ends when each of them has ended here."""

    def __init__(self) -> None:
        self._out = 0
        self._none_out = asyncio.Event()
        self._failure: Exception | None = None
        self.unclaimed: list[int] = []

    def ticket(self, due: Due, providers: tuple[str, ...], *, until: float) -> "Ticket":
        """Begin one message."""
        self._out += 1
        self._none_out.clear()
        return Ticket(due, providers, until, self)

    async def over(self) -> None:
        """Wait until none is out. Raises the first failure that was no outcome."""
        if self._out:
            await self._none_out.wait()
        if self._failure is not None:
            raise self._failure

    def end(self, failure: Exception | None = None) -> None:
        """Note that one message has ended here."""
        self._failure = self._failure or failure
        self._out -= 1
        if not self._out:
            self._none_out.set()


@dataclass(frozen=True, slots=True, eq=False)
class Ticket:
    """A message with a token for the first of its providers; until then, in the loop's time, it waits."""

    due: Due
    providers: tuple[str, ...]
    until: float
    chunk: Chunk = field(repr=False)

    def end(self, failure: Exception | None = None) -> None:
        """End: it is claimed, or waits elsewhere."""
        self.chunk.end(failure)

    def left(self) -> None:
        """End: it was not claimed, and is still in its lane."""
        self.chunk.unclaimed.append(self.due.id)
        self.chunk.end()
