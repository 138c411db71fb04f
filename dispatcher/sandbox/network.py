"""
The network behind the sandbox: decides on each submit, and remembers it.

Submits are taken when they are read, before the answer's latency: a client
that gives up waiting was heard all the same, as in life.
"""

import math
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice

from dispatcher.sandbox.numbers import ORDINARY, ReceiptStep, Script, SubmitAnswer, script_for
from dispatcher.sandbox.settings import SandboxSettings

_MAX_KEPT = 20


@dataclass(frozen=True, slots=True)
class ReceivedSubmit:
    """One submit as it came in; `received_at` is when its head was read, in epoch seconds."""

    reference: str
    to: str
    sender: str | None
    text: str
    segments: int
    tier: str | None
    receipt_url: str | None
    received_at: float


@dataclass(slots=True)
class SandboxMessage:
    """All submits of one reference."""

    reference: str
    to: str
    sender: str | None
    text: str
    segments: int
    tier: str | None
    attempts: int = 0
    accepted: int = 0
    status: str = "submitted"
    ids: tuple[str, ...] = ()
    received_at: list[float] = field(default_factory=list)

    def shown(self) -> dict[str, object]:
        """List all there is of it; `received_at` has one entry a submit, the first twenty."""
        return {
            "reference": self.reference,
            "to": self.to,
            "from": self.sender,
            "text": self.text,
            "segments": self.segments,
            "tier": self.tier,
            "attempts": self.attempts,
            "accepted": self.accepted,
            "status": self.status,
            "ids": list(self.ids),
            "received_at": self.received_at,
        }


@dataclass(slots=True)
class SubmitCounts:
    """
    What came in. submits = accepted + rejected + deferred + throttled + lost.

    A duplicate is a submit taken for a reference that was taken before: with
    `dedupe` it is answered as the first and not sent on, else the phone rings
    twice. `lost` was hung up on or failed, and not taken.
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
    """What to answer, after `delay` seconds, and the receipts to send."""

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
        """Forget all messages and counts; ids are never given twice."""
        self.counts = SubmitCounts()
        self.messages: dict[str, SandboxMessage] = {}
        self.change(self.settings)

    def change(self, settings: SandboxSettings) -> None:
        """Behave like this from now on; the random numbers start anew."""
        self.settings = settings
        self._random = random.Random(settings.seed)  # noqa: S311 - a simulation that can be repeated
        self._tokens = settings.tps * settings.burst_s
        self._filled_at: float | None = None

    def next_id(self) -> str:
        """Give an id, a decimal number, that no other sandbox gives but by chance."""
        return str(next(self._numbers))

    def to(self, number: str) -> Sequence[SandboxMessage]:
        """List the messages to a number in the order of their first submit."""
        return [message for message in self.messages.values() if message.to == number]

    def page(self, *, offset: int, limit: int) -> Sequence[SandboxMessage]:
        """List messages in the order of their first submit."""
        return list(islice(self.messages.values(), offset, offset + limit))

    def submit(self, submit: ReceivedSubmit, *, now: float) -> SubmitDecision:
        """Decide on one submit; `now` is monotonic."""
        counts = self.counts
        counts.submits += 1
        counts.first_at = counts.first_at or submit.received_at
        counts.last_at = submit.received_at
        if wait := self._throttle(submit.segments, now=now):
            counts.throttled += 1
            return SubmitDecision(
                ORDINARY, SubmitAnswer.THROTTLED, self._latency(), None, retry_after=max(1, math.ceil(wait))
            )
        message = self._message(submit)
        script = script_for(submit.to) or self._by_chance()
        if script.times is not None and message.attempts > script.times:
            script = replace(script, answer=SubmitAnswer.ACCEPTED, taken=True)
        return self._taken(message, script) if script.taken else self._not_taken(message, script)

    def _throttle(self, segments: int, *, now: float) -> float:
        """Tell how many seconds too early these segments are; a bucket that starts full."""
        settings = self.settings
        if not settings.tps:
            return 0.0
        room = max(settings.tps * settings.burst_s, segments)
        elapsed = 0.0 if self._filled_at is None else now - self._filled_at
        self._tokens = min(room, self._tokens + elapsed * settings.tps)
        self._filled_at = now
        if self._tokens < segments:
            return (segments - self._tokens) / settings.tps
        self._tokens -= segments
        return 0.0

    def _message(self, submit: ReceivedSubmit) -> SandboxMessage:
        message = self.messages.get(submit.reference)
        if message is None:
            message = self.messages[submit.reference] = SandboxMessage(
                submit.reference, submit.to, submit.sender, submit.text, submit.segments, submit.tier
            )
        message.attempts += 1
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

    def _taken(self, message: SandboxMessage, script: Script) -> SubmitDecision:
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

    def _not_taken(self, message: SandboxMessage, script: Script) -> SubmitDecision:
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
