"""
The whole life of messages, in any order of events, against a small model.

The service, Postgres and Valkey are real; time and the provider are the model's. After each step the rows,
histories and credits must agree with what the model saw.
"""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count, pairwise
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.delivery.message import Attempt, DecidedAttempt
from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    Outcome,
    Outgoing,
    ReceiptReport,
    Rejected,
    Unknown,
    Unsent,
)
from dispatcher.domain.messages.edit import NewText, Reschedule, Selection
from dispatcher.domain.messages.status import TRANSITIONS, Place, Status
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts, opt_outs
from dispatcher.service.delivery import recorder
from dispatcher.service.delivery.recorder import Recorder
from dispatcher.service.messages import edits, withdraw
from dispatcher.service.receipts import ingest
from tests.world import ScriptedProvider, World

T = TypeVar("T")

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
CREDITS = 1000
_names = count()

answers = st.lists(st.sampled_from("aaaadrust"), min_size=1, max_size=4)
"""What the provider does with each call; `t` takes the message and its answer is lost, `u` loses both."""
picks = st.integers(0, 50)


@dataclass(frozen=True)
class Take:
    """A message that the provider took, and the number of the call."""

    ref: str
    call: int
    at: datetime
    text: str


@dataclass
class ModelProvider(ScriptedProvider):
    """What the provider has, by our reference."""

    world: World | None = None
    script: list[str] = field(default_factory=list)
    taken: defaultdict[str, list[Take]] = field(default_factory=lambda: defaultdict(list))
    calls: int = 0

    def __post_init__(self) -> None:
        self.answer = self.take

    def forget(self) -> None:
        self.script = []
        self.taken.clear()
        self.calls = 0

    async def take(self, outgoing: Outgoing) -> Outcome:
        return self.outcome_of(outgoing)

    def outcome_of(self, outgoing: Outgoing) -> Outcome:
        assert self.world is not None
        self.calls += 1
        how = self.script[self.calls % len(self.script)] if self.script else "a"
        ref = f"{outgoing.reference}-{outgoing.attempt}"
        if how in "at":
            self.taken[outgoing.reference].append(Take(ref, self.calls, self.world.time.now(), outgoing.text))
        match how:
            case "a":
                return Accepted((ref,))
            case "d":
                return Deferred("busy")
            case "r":
                return Rejected(Status.FAILED, "refused")
            case "s":
                return Unsent("no connection")
        return Unknown("no answer")


@dataclass(frozen=True)
class Order:
    """What holds for all calls after the call `since`."""

    since: int
    window: tuple[datetime, datetime]
    text: str


@dataclass
class Expected:
    """What the model knows of a message; the last of `orders` holds."""

    id: int
    number: str
    orders: list[Order]
    last_call: int | None = None
    """The number of the last call before it was withdrawn."""

    def order_at(self, call: int) -> Order:
        return [order for order in self.orders if order.since < call][-1]


class MessageLives(RuleBasedStateMachine):
    """Messages of one account, a provider, a clock, workers that die, and receipts."""

    world: World
    runner: asyncio.Runner
    provider: ModelProvider

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    @initialize()
    def open_account(self) -> None:
        world = self.world
        self.provider.forget()
        self.messages: dict[str, Expected] = {}
        self.unwritten: list[Attempt] = []
        self.written: list[DecidedAttempt] = []
        self.delivered: set[str] = set()
        self.opted_out: dict[str, int] = {}
        """The number of the last call before each opt-out."""
        self.lost: list[int] = []
        world.lanes.take()

        async def create() -> None:
            name = f"lives-{next(_names)}"
            self.account = await accounts.create(world.ctx, name, credits=CREDITS, country="KE")
            await accounts.add_sender(world.ctx, self.account, "SHOP")
            world.caller = Caller(self.account, "test")

        self.run(create())

    def pick(self, which: int) -> tuple[str, Expected] | None:
        if not self.messages:
            return None
        return list(self.messages.items())[which % len(self.messages)]

    # What producers and operators do

    @rule(
        tier=st.sampled_from(Tier),
        after=st.sampled_from([None, 5, 60]),
        lasts=st.sampled_from([20, 120, 3600]),
        numbers=st.integers(1, 3),
        parts=st.integers(1, 3),
    )
    def submit(self, tier: Tier, after: int | None, lasts: int, numbers: int, parts: int) -> None:
        begin = timedelta(seconds=after or 0)
        text = "x" * (150 * parts)
        to = [f"+25471234{number:04}" for number in range(numbers)]
        batch = self.run(
            self.world.submit(
                to,
                tier=tier,
                text=text,
                after=begin if after is not None else None,
                until=begin + lasts * SECOND,
            )
        )
        for message in batch.messages:
            row = self.run(self.world.row(message.id))
            order = Order(self.provider.calls, (row.not_before, row.not_after), row.text)
            self.messages[str(row.public_id)] = Expected(message.id, row.number, [order])

    @rule(which=picks, parts=st.integers(1, 3))
    def change_the_text(self, which: int, parts: int) -> None:
        if (picked := self.pick(which)) is not None:
            orders = picked[1].orders
            text = chr(ord("b") + len(orders) % 20) * 150 * parts
            chosen = Selection(self.account, message=picked[1].id)
            if self.run(edits.edit(self.world.ctx, chosen, NewText(text))).changed:
                orders.append(Order(self.provider.calls, orders[-1].window, text))

    @rule(which=picks, after=st.integers(0, 90), lasts=st.integers(10, 600))
    def change_the_window(self, which: int, after: int, lasts: int) -> None:
        if (picked := self.pick(which)) is not None:
            begin = self.world.time.now() + after * SECOND
            window = (begin, begin + lasts * SECOND)
            chosen = Selection(self.account, message=picked[1].id)
            if self.run(edits.edit(self.world.ctx, chosen, Reschedule(*window))).changed:
                picked[1].orders.append(Order(self.provider.calls, window, picked[1].orders[-1].text))

    @rule(which=picks)
    def withdraw(self, which: int) -> None:
        if (
            (picked := self.pick(which)) is not None
            and picked[1].last_call is None
            and self.run(withdraw.one(self.world.ctx, self.world.caller, picked[1].id))
        ):
            picked[1].last_call = self.provider.calls

    @rule(number=st.integers(0, 2))
    def opt_out(self, number: int) -> None:
        to = f"+25471234{number:04}"
        self.run(opt_outs.add(self.world.ctx, self.account, [to]))
        self.opted_out.setdefault(to, self.provider.calls)

    # What the dispatcher does

    @rule(script=answers)
    def deliver(self, script: list[str]) -> None:
        self.provider.script = script
        self.run(self.world.deliver())

    @rule(script=answers)
    def deliver_twice(self, script: list[str]) -> None:
        """Redis delivers each entry twice, and once more what was lost."""
        self.provider.script = script
        ids = self.world.lanes.take()
        self.run(self.world.deliver([*ids, *self.lost]))
        self.run(self.world.deliver(ids))

    @rule()
    def lose_the_lane(self) -> None:
        self.lost = self.world.lanes.take()

    @rule(which=picks, script=answers)
    def claim_and_die(self, which: int, script: list[str]) -> None:
        """A worker claims, calls the provider, and is cut off before it writes the outcome."""
        if (picked := self.pick(which)) is not None:
            self.provider.script = script
            attempt = self.run(self.world.claim_and_call(picked[1].id, self.provider.outcome_of))
            if attempt is not None:
                self.unwritten.append(attempt)

    @rule(which=picks)
    def write_late(self, which: int) -> None:
        if self.unwritten:
            attempt = self.unwritten.pop(which % len(self.unwritten))
            decided = DecidedAttempt(attempt, Recorder(self.world.ctx).put(attempt))
            self.run(recorder.write(self.world.ctx, [decided]))
            self.written.append(decided)

    @rule(which=picks)
    def write_again(self, which: int) -> None:
        """The answer of a commit was lost, so the recorder writes the outcome once more."""
        if self.written:
            self.run(recorder.write(self.world.ctx, [self.written[which % len(self.written)]]))

    @rule(seconds=st.sampled_from([1, 5, 31, 61, 300]))
    def wait(self, seconds: int) -> None:
        self.world.time.advance(seconds * SECOND)

    @rule(duty=st.sampled_from(["release", "fill", "requeue", "expire", "rescue", "no_receipt"]))
    def run_a_duty(self, duty: str) -> None:
        self.run(getattr(self.world.clock, duty)())

    @rule()
    def release_and_fill(self) -> None:
        self.run(self.world.clock.release())
        self.run(self.world.clock.fill())

    # What the provider reports

    @rule(
        which=picks,
        status=st.sampled_from([Status.RECEIVED, Status.FAILED, Status.TOO_LATE]),
        by_ours=st.booleans(),
    )
    def report(self, which: int, status: Status, by_ours: bool) -> None:
        taken = [(reference, take) for reference, takes in self.provider.taken.items() for take in takes]
        if taken:
            reference, take = taken[which % len(taken)]
            if status is Status.RECEIVED:
                self.delivered.add(reference)
            report = ReceiptReport(
                ref=None if by_ours else take.ref, reference=reference if by_ours else None, status=status
            )
            self.run(ingest.keep(self.world.ctx, "sim", [report]))
            self.run(ingest.match(self.world.ctx))

    # What must be true after each step

    @invariant()
    def rows_agree_with_the_model(self) -> None:
        for reference, known in getattr(self, "messages", {}).items():
            row = self.run(self.world.row(known.id))
            self._check_history(known, row)
            self._check_takes(known, row, self.provider.taken[reference])

    def _check_history(self, known: Expected, row: Any) -> None:
        events = [Status(code) for code, _ in self.run(self.world.events(known.id))]
        for before, after in pairwise(events):
            assert after is before or after in TRANSITIONS[before], events
        assert events[-1] == row.status
        assert row.place in {None, Place.READY} or row.wake_at is not None, "nobody looks at it again"

    def _check_takes(self, known: Expected, row: Any, takes: list[Take]) -> None:
        status = Status(row.status)
        open_attempts = sum(attempt.message_id == known.id for attempt in self.unwritten)
        assert len(takes) <= 1 + row.doubts, "taken more often than its doubts allow"
        for take in takes:
            order = known.order_at(take.call)
            assert take.text == order.text, "sent with a text that was changed"
            assert order.window[0] <= take.at < order.window[1], "sent outside its window"
            assert known.last_call is None or take.call <= known.last_call, "sent after it was withdrawn"
            assert take.call <= self.opted_out.get(known.number, take.call), "sent after the opt-out"
        if takes:
            assert not status.is_refunded, "refunded, and the provider has it"
        if status in {Status.SENT, Status.RECEIVED}:
            assert takes, "nobody took it"
        if status is Status.RECEIVED:
            assert str(row.public_id) in self.delivered
        if row.doubts and not open_attempts:
            assert not status.is_refunded

    @invariant()
    def credits_add_up(self) -> None:
        if not getattr(self, "messages", None):
            return
        rows = self.run(
            self.world.all(
                "SELECT id, status, charged,"
                " (SELECT count(*) FROM ledger l WHERE l.message_id = m.id AND l.kind = 'refund') AS refunds"
                " FROM messages m WHERE account_id = :id",
                id=self.account.id,
            )
        )
        [account] = self.run(
            self.world.all(
                "SELECT balance, (SELECT sum(amount) FROM ledger WHERE account_id = a.id) AS total"
                " FROM accounts a WHERE id = :id",
                id=self.account.id,
            )
        )
        spent = sum(row.charged for row in rows if not Status(row.status).is_refunded)
        assert account.balance == account.total == CREDITS - spent
        for row in rows:
            assert row.refunds == (Status(row.status).is_refunded and row.charged > 0)

    def teardown(self) -> None:
        """Whatever happened, when all windows are over each message has ended, and nothing is left to do."""
        if not hasattr(self, "messages"):
            return
        while self.unwritten:
            self.write_late(0)
        self.provider.script = ["a"]
        for _ in range(3):
            self.world.time.advance(2 * HOUR)
            self.run(self.world.clock.rescue())
            self.run(self.world.clock.requeue())
            self.run(self.world.clock.release())
            self.run(self.world.clock.fill())
            self.run(self.world.deliver())
            self.run(self.world.clock.expire())
        for known in self.messages.values():
            assert self.run(self.world.row(known.id)).place is None
        self.rows_agree_with_the_model()
        self.credits_add_up()


def test_messages_live_by_the_rules_in_any_order_of_events(world: World) -> None:
    provider = ModelProvider(world=world)
    world.providers = {"sim": provider}
    with asyncio.Runner() as runner:
        opened = world.open()
        runner.run(opened.__aenter__())
        try:
            machine = type("Lives", (MessageLives,), {"world": world, "runner": runner, "provider": provider})
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=20,
                    stateful_step_count=40,
                    deadline=None,
                    derandomize=True,
                    suppress_health_check=list(HealthCheck),
                    print_blob=True,
                ),
            )
        finally:
            runner.run(opened.__aexit__(None, None, None))
