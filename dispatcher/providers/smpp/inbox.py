"""
What the SMSC delivers, told on in batches: each is answered when it is kept, and not before.

While one batch is being told, the next one gathers, so thousands a second cost
few transactions. Parts of a handset's message wait for each other, unanswered,
for a few seconds: the SMSC keeps them meanwhile, and brings them again if this
process dies or its bind is lost.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

import structlog

from dispatcher.providers.contract import Inbound, ProviderReports, ReportHandler, Unavailable
from dispatcher.providers.smpp.deliveries import DeliveryReader, InboundPart
from dispatcher.providers.smpp.session import Session
from dispatcher.smpp.constants import CommandStatus
from dispatcher.smpp.pdu import Pdu, Sm

log = structlog.get_logger()

_MAX_BATCH = 500
_CLOSE_TIMEOUT = 5.0
_MAX_WAITING = 10_000
"""What waits to be told, or for its other parts; above it the SMSC hears "later" at once."""


class _Delivery(NamedTuple):
    session: Session
    request: Pdu

    def answer(self, status: int) -> None:
        self.session.acknowledge([self.request], status)


class _PendingReport(NamedTuple):
    """One thing to tell, and what is answered then: one delivery, or one for each part."""

    told: ProviderReports
    deliveries: tuple[_Delivery, ...]


class _PartialMessage:
    """The parts so far of one message; `timer` tells them as they are."""

    def __init__(self, timer: asyncio.TimerHandle) -> None:
        self.timer = timer
        self.pieces: dict[int, tuple[Inbound, tuple[_Delivery, ...]]] = {}

    def letter(self) -> _PendingReport:
        found = [self.pieces[number] for number in sorted(self.pieces)]
        first = found[0][0]
        text = "".join(inbound.text for inbound, _ in found)
        whole = Inbound(sender=first.sender, recipient=first.recipient, text=text)
        return _PendingReport(whole, tuple(delivery for _, deliveries in found for delivery in deliveries))


class Inbox:
    """One for all binds of a provider: parts may come over any of them."""

    def __init__(self, name: str, tell: ReportHandler, reader: DeliveryReader, *, join: timedelta) -> None:
        self._name = name
        self._tell = tell
        self._reader = reader
        self._join = join.total_seconds()
        self._letters: list[_PendingReport] = []
        self._puzzles: dict[tuple[str, str, int, int], _PartialMessage] = {}
        self._telling: asyncio.Task[None] | None = None
        self._closed = False

    def take(self, session: Session, request: Pdu, sm: Sm) -> None:
        """Take what was delivered; it is answered when it is kept, or with "later"."""
        delivery = _Delivery(session, request)
        if self._closed or len(self._letters) + len(self._puzzles) >= _MAX_WAITING:
            delivery.answer(CommandStatus.ESME_RX_T_APPN)
            return
        match self._reader.read(sm):
            case None:
                log.error("smpp_receipt_names_nothing", provider=self._name)
                delivery.answer(CommandStatus.ESME_ROK)  # again it would name nothing either
            case InboundPart() as part:
                self._fit(part, delivery)
            case told:
                self._put(_PendingReport(told, (delivery,)))

    def forget(self, session: Session) -> None:
        """Drop the parts that a lost bind brought: the SMSC brings them again."""
        for key, puzzle in list(self._puzzles.items()):
            for number, (_, deliveries) in list(puzzle.pieces.items()):
                if any(delivery.session is session for delivery in deliveries):
                    del puzzle.pieces[number]
            if not puzzle.pieces:
                self._drop(key)

    async def close(self) -> None:
        """Let what is being told be told; the rest is the SMSC's still."""
        self._closed = True
        for key in list(self._puzzles):
            self._drop(key)
        self._letters.clear()
        if self._telling is not None:
            _, late = await asyncio.wait([self._telling], timeout=_CLOSE_TIMEOUT)
            for telling in late:
                telling.cancel()

    def _fit(self, part: InboundPart, delivery: _Delivery) -> None:
        inbound, joint = part
        key = (inbound.sender, inbound.recipient, joint.reference, joint.total)
        puzzle = self._puzzles.get(key)
        if puzzle is None:
            timer = asyncio.get_running_loop().call_later(self._join, self._solve, key)
            puzzle = self._puzzles[key] = _PartialMessage(timer)
        _, before = puzzle.pieces.get(joint.number, (inbound, ()))
        puzzle.pieces[joint.number] = (inbound, (*before, delivery))
        if len(puzzle.pieces) == joint.total:
            self._solve(key)

    def _solve(self, key: tuple[str, str, int, int]) -> None:
        puzzle = self._drop(key)
        self._put(puzzle.letter())

    def _drop(self, key: tuple[str, str, int, int]) -> _PartialMessage:
        puzzle = self._puzzles.pop(key)
        puzzle.timer.cancel()
        return puzzle

    def _put(self, letter: _PendingReport) -> None:
        self._letters.append(letter)
        if self._telling is None:
            self._telling = asyncio.create_task(self._work())

    async def _work(self) -> None:
        try:
            while self._letters:
                batch, self._letters = self._letters[:_MAX_BATCH], self._letters[_MAX_BATCH:]
                await self._settle(batch)
        finally:
            self._telling = None

    async def _settle(self, batch: Sequence[_PendingReport]) -> None:
        try:
            await self._tell([letter.told for letter in batch])
        except Unavailable as error:
            log.warning("smpp_not_told", provider=self._name, count=len(batch), error=str(error))
            _answer(batch, CommandStatus.ESME_RX_T_APPN)
        except Exception:  # a bug: whatever caused it, the others are kept
            if len(batch) > 1:
                for letter in batch:
                    await self._settle([letter])
                return
            log.exception("smpp_not_told", provider=self._name, count=1)
            _answer(batch, CommandStatus.ESME_RX_T_APPN)
        else:
            _answer(batch, CommandStatus.ESME_ROK)


def _answer(batch: Sequence[_PendingReport], status: int) -> None:
    """Answer all that brought these, in one write to each bind."""
    answers: dict[Session, list[Pdu]] = {}
    for session, request in (delivery for letter in batch for delivery in letter.deliveries):
        answers.setdefault(session, []).append(request)
    for session, requests in answers.items():
        session.acknowledge(requests, status)
