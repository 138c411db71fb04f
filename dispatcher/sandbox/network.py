"""
The simulated network: it decides on each submit, and stores it.

A submit is accepted when it is read, before the latency of the response. As in a
real network, a client that gives up waiting has sent it all the same.
"""

import math
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice

from dispatcher.sandbox.numbers import ORDINARY, ReceiptStep, Script, SubmitAnswer, script_for
from dispatcher.sandbox.settings import SandboxSettings
from dispatcher.smpp.text import PartInfo

_MAX_KEPT = 20


@dataclass(frozen=True, slots=True)
class ReceivedSubmit:
    """
    One submit as received; `received_at` is when its head was read, in epoch seconds.

    `part` is set if it is a part of a long text, over SMPP.
    """

    reference: str
    to: str
    sender: str | None
    text: str
    segments: int
    tier: str | None
    receipt_url: str | None
    received_at: float
    part: PartInfo | None = None


@dataclass(slots=True)
class SandboxMessage:
    """All submits of one reference."""

    reference: str
    to: str
    sender: str | None
    text: str
    segments: int
    tier: str | None
    part: PartInfo | None = None
    attempts: int = 0
    accepted: int = 0
    status: str = "submitted"
    ids: tuple[str, ...] = ()
    received_at: list[float] = field(default_factory=list)
    part_references: list[int] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """Return all its fields; `received_at` has one entry per submit, for the first twenty."""
        return {
            "reference": self.reference,
            "to": self.to,
            "from": self.sender,
            "text": self.text,
            "segments": self.segments,
            "tier": self.tier,
            "part": self._part_as_json(),
            "attempts": self.attempts,
            "accepted": self.accepted,
            "status": self.status,
            "ids": list(self.ids),
            "received_at": self.received_at,
        }

    def _part_as_json(self) -> dict[str, object] | None:
        if self.part is None:
            return None
        return {
            "references": self.part_references,
            "number": self.part.number,
            "total": self.part.total,
        }


@dataclass(slots=True)
class SubmitCounts:
    """
    The counts of submits: submits = accepted + rejected + deferred + throttled + lost.

    A duplicate is an accepted submit whose reference was accepted before. With
    `dedupe` it gets the same response as the first and is not sent; else the
    handset gets the message twice. `lost` are submits that were not accepted
    and got a failure or a closed connection.
    """

    submits: int = 0
    unique_references: int = 0
    duplicates: int = 0
    accepted: int = 0
    rejected: int = 0
    deferred: int = 0
    throttled: int = 0
    lost: int = 0
    invalid: int = 0
    first_at: float | None = None
    last_at: float | None = None


@dataclass(frozen=True, slots=True)
class SubmitDecision:
    """The response to give after `delay` seconds, and the receipts to send."""

    script: Script
    answer: SubmitAnswer
    delay: float
    message: SandboxMessage | None
    ids: tuple[str, ...] = ()
    receipts: tuple[ReceiptStep, ...] = ()
    retry_after: int = 1


class Network:
    """All state of one sandbox, in memory. Only the loop's thread may use it."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._numbers = count((secrets.randbits(20) << 32) + 1)
        self.settings = settings
        self.reset()

    def reset(self) -> None:
        """Delete all messages and counts; ids are never reused."""
        self.counts = SubmitCounts()
        self.messages: dict[str, SandboxMessage] = {}
        self.change(self.settings)

    def change(self, settings: SandboxSettings) -> None:
        """Use these settings from now on, with the random numbers from their seed."""
        self.settings = settings
        self._random = random.Random(settings.seed)  # noqa: S311 - a simulation that can be repeated
        self._tokens = settings.tps * settings.burst_s
        self._filled_at: float | None = None

    def next_id(self) -> str:
        """Return a new id, a decimal number that is unlikely to be used by another sandbox."""
        return str(next(self._numbers))

    def messages_to(self, number: str) -> Sequence[SandboxMessage]:
        """Return the messages to a number, in the order of their first submit."""
        return [message for message in self.messages.values() if message.to == number]

    def page(self, *, offset: int, limit: int) -> Sequence[SandboxMessage]:
        """Return a page of all messages, in the order of their first submit."""
        return list(islice(self.messages.values(), offset, offset + limit))

    def submit(self, submit: ReceivedSubmit, *, now: float) -> SubmitDecision:
        """Return the decision on one submit; `now` is monotonic."""
        counts = self.counts
        self._count(submit.received_at)
        if wait := self._throttle(submit.segments, now=now):
            counts.throttled += 1
            return SubmitDecision(
                ORDINARY, SubmitAnswer.THROTTLED, self._latency(), None, retry_after=max(1, math.ceil(wait))
            )
        message = self._message(submit)
        script = script_for(submit.to, part=submit.part and submit.part.number) or self._by_chance()
        if script.times is not None and message.attempts > script.times:
            script = replace(script, answer=SubmitAnswer.ACCEPTED, taken=True)
        return self._accept(message, script) if script.taken else self._refuse(message, script)

    def count_throttled(self, *, received_at: float) -> None:
        """Count a submit that was refused before it reached the network."""
        self._count(received_at)
        self.counts.throttled += 1

    def _count(self, received_at: float) -> None:
        self.counts.submits += 1
        self.counts.first_at = self.counts.first_at or received_at
        self.counts.last_at = received_at

    def _throttle(self, segments: int, *, now: float) -> float:
        """Return by how many seconds these segments are too early: a token bucket that starts full."""
        settings = self.settings
        if not settings.tps:
            return 0.0
        capacity = max(settings.tps * settings.burst_s, segments)
        elapsed = 0.0 if self._filled_at is None else now - self._filled_at
        self._tokens = min(capacity, self._tokens + elapsed * settings.tps)
        self._filled_at = now
        if self._tokens < segments:
            return (segments - self._tokens) / settings.tps
        self._tokens -= segments
        return 0.0

    def _message(self, submit: ReceivedSubmit) -> SandboxMessage:
        message = self.messages.get(submit.reference)
        if message is None:
            message = self.messages[submit.reference] = SandboxMessage(
                submit.reference,
                submit.to,
                submit.sender,
                submit.text,
                submit.segments,
                submit.tier,
                submit.part,
            )
        message.attempts += 1
        if submit.part is not None and submit.part.reference not in message.part_references:
            message.part_references.append(submit.part.reference)
        if len(message.received_at) < _MAX_KEPT:
            message.received_at.append(submit.received_at)
        return message

    def _by_chance(self) -> Script:
        settings = self.settings
        if not (
            settings.reject_rate or settings.defer_rate or settings.unknown_rate or settings.undelivered_rate
        ):
            return ORDINARY
        drawn = self._random.random()
        for rate, script in (
            (settings.reject_rate, Script("", SubmitAnswer.REJECTED, taken=False, error="refused")),
            (settings.defer_rate, Script("", SubmitAnswer.LATER, taken=False)),
            (settings.unknown_rate / 2, Script("", SubmitAnswer.HANG_UP)),
            (settings.unknown_rate / 2, Script("", SubmitAnswer.HANG_UP, taken=False)),
            (settings.undelivered_rate, Script("", receipts=(ReceiptStep("UNDELIV"),))),
        ):
            if drawn < rate:
                return script
            drawn -= rate
        return ORDINARY

    def _accept(self, message: SandboxMessage, script: Script) -> SubmitDecision:
        counts, again = self.counts, message.accepted > 0
        message.accepted += 1
        counts.accepted += 1
        counts.duplicates += again
        counts.unique_references += not again
        delay = script.delay + self._latency()
        if again and self.settings.dedupe:
            return SubmitDecision(script, script.answer, delay, message, message.ids)
        parts = message.segments if script.in_parts else 1
        ids = tuple([self.next_id() for _ in range(parts)])
        message.ids = (*message.ids, *ids)[-_MAX_KEPT * parts :]
        message.status = "accepted"
        return SubmitDecision(script, script.answer, delay, message, ids, script.receipts)

    def _refuse(self, message: SandboxMessage, script: Script) -> SubmitDecision:
        match script.answer:
            case SubmitAnswer.REJECTED:
                self.counts.rejected += 1
            case SubmitAnswer.LATER:
                self.counts.deferred += 1
            case SubmitAnswer.THROTTLED:
                self.counts.throttled += 1
            case _:
                self.counts.lost += 1
        if not message.accepted:
            message.status = script.error or script.answer.name.lower()
        return SubmitDecision(script, script.answer, script.delay + self._latency(), message)

    def _latency(self) -> float:
        settings = self.settings
        if settings.slow_share and self._random.random() < settings.slow_share:
            return settings.slow_ms / 1000
        return settings.latency_ms / 1000
