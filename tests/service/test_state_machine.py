"""
The whole life of messages, in any order of events, against a small model.

The service, Postgres and Valkey are real; time and the provider are the model's. After each step the rows,
histories and credits must agree with what the model saw.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count, pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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

SECOND, LEASE, HOUR = timedelta(seconds=1), timedelta(seconds=30), timedelta(hours=1)
CREDITS = 1000
OPTS_OUT = "+254712340002"
_names = count()

_ROWS = """
SELECT m.*,
    (SELECT array_agg(e.status ORDER BY e.seq) FROM message_events e WHERE e.message_id = m.id) AS events,
    (SELECT count(*) FROM ledger l WHERE l.message_id = m.id AND l.kind = 'refund') AS refunds
FROM messages m WHERE m.account_id = :id
"""
_BALANCE = """
SELECT a.balance, (SELECT sum(amount) FROM ledger l WHERE l.account_id = a.id) AS total
FROM accounts a WHERE a.id = :id
"""

answers = st.lists(st.sampled_from("aaaadrust"), min_size=1, max_size=4)
"""What the provider does with each call; `t` takes the message and its answer is lost, `u` loses both."""
picks = st.integers(0, 50)
NOTHING: st.SearchStrategy[dict[str, Any]] = st.just({})


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
    held: dict[str, int] = field(default_factory=dict)
    """The attempt of each message that a worker holds without having written its outcome."""

    def __post_init__(self) -> None:
        self.answer = self.take

    def forget(self) -> None:
        self.script = []
        self.taken.clear()
        self.calls = 0
        self.held.clear()

    async def take(self, outgoing: Outgoing) -> Outcome:
        return self.outcome_of(outgoing)

    def outcome_of(self, outgoing: Outgoing) -> Outcome:
        assert self.world is not None
        assert outgoing.reference not in self.held, "sent while another worker holds it"
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


STEPS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "submit": st.fixed_dictionaries(
        {
            "tier": st.sampled_from(Tier),
            "after": st.sampled_from([None, 5, 60]),
            "lasts": st.sampled_from([20, 120, 3600]),
            "numbers": st.integers(1, 3),
            "parts": st.integers(1, 3),
        }
    ),
    "change_the_text": st.fixed_dictionaries({"which": picks, "parts": st.integers(1, 3)}),
    "change_the_window": st.fixed_dictionaries(
        {"which": picks, "after": st.integers(0, 90), "lasts": st.integers(10, 600)}
    ),
    "withdraw": st.fixed_dictionaries({"which": picks}),
    "opt_out": NOTHING,
    "release_fill_and_deliver": st.fixed_dictionaries({"script": answers}),
    "deliver": st.fixed_dictionaries({"script": answers}),
    "deliver_twice": st.fixed_dictionaries({"script": answers}),
    "lose_the_lane": NOTHING,
    "release_and_fill": NOTHING,
    "claim_and_die": st.fixed_dictionaries({"which": picks, "script": answers}),
    "write_late": st.fixed_dictionaries({"which": picks}),
    "write_again": st.fixed_dictionaries({"which": picks}),
    "rescue": NOTHING,
    "wait": st.fixed_dictionaries({"seconds": st.sampled_from([1, 5, 20, 61, 300])}),
    "run_a_duty": st.fixed_dictionaries(
        {"duty": st.sampled_from(["release", "fill", "requeue", "expire", "no_receipt"])}
    ),
    "report": st.fixed_dictionaries(
        {
            "which": picks,
            "status": st.sampled_from([Status.RECEIVED, Status.FAILED, Status.TOO_LATE]),
            "by_ours": st.booleans(),
        }
    ),
}
"""The methods of `MessageLives`, with what they are called with."""
OFTEN = ("release_fill_and_deliver", "claim_and_die", "rescue", "write_late")
steps = st.lists(
    st.sampled_from([*STEPS, *OFTEN]).flatmap(lambda name: st.tuples(st.just(name), STEPS[name])),
    min_size=30,
    max_size=30,
)


class MessageLives:
    """Messages of one account, a provider, a clock, workers that die, and receipts."""

    def __init__(self, world: World, provider: ModelProvider) -> None:
        self.world, self.provider = world, provider
        self.provider.forget()
        self.messages: dict[str, Expected] = {}
        self.unwritten: list[Attempt] = []
        self.written: list[DecidedAttempt] = []
        self.delivered: set[str] = set()
        self.opted_out_after: int | None = None
        self.lost: list[int] = []
        world.lanes.take()

    async def begin(self) -> None:
        world = self.world
        self.account = await accounts.create(
            world.ctx, f"lives-{next(_names)}", credits=CREDITS, country="KE"
        )
        await accounts.add_sender(world.ctx, self.account, "SHOP")
        world.caller = Caller(self.account, "test")
        await self.submit(Tier.STANDARD, after=None, lasts=3600, numbers=3, parts=1)
        await self.submit(Tier.CRITICAL, after=5, lasts=120, numbers=1, parts=2)

    def pick(self, which: int) -> Expected:
        known = list(self.messages.values())
        return known[which % len(known)]

    def reference_of(self, attempt: Attempt) -> str:
        return next(ref for ref, known in self.messages.items() if known.id == attempt.message_id)

    # What producers and operators do

    async def submit(self, tier: Tier, after: int | None, lasts: int, numbers: int, parts: int) -> None:
        begin = timedelta(seconds=after or 0)
        text = "x" * (150 * parts)
        to = [f"+25471234{number:04}" for number in range(numbers)]
        batch = await self.world.submit(
            to,
            tier=tier,
            text=text,
            after=begin if after is not None else None,
            until=begin + lasts * SECOND,
        )
        for message in batch.messages:
            row = await self.world.row(message.id)
            order = Order(self.provider.calls, (row.not_before, row.not_after), row.text)
            self.messages[str(row.public_id)] = Expected(message.id, row.number, [order])

    async def change_the_text(self, which: int, parts: int) -> None:
        known = self.pick(which)
        text = chr(ord("b") + len(known.orders) % 20) * 150 * parts
        chosen = Selection(self.account, message=known.id)
        if (await edits.edit(self.world.ctx, chosen, NewText(text))).changed:
            known.orders.append(replace(known.orders[-1], since=self.provider.calls, text=text))

    async def change_the_window(self, which: int, after: int, lasts: int) -> None:
        known = self.pick(which)
        begin = self.world.time.now() + after * SECOND
        window = (begin, begin + lasts * SECOND)
        chosen = Selection(self.account, message=known.id)
        if (await edits.edit(self.world.ctx, chosen, Reschedule(*window))).changed:
            known.orders.append(replace(known.orders[-1], since=self.provider.calls, window=window))

    async def withdraw(self, which: int) -> None:
        known = self.pick(which)
        if known.last_call is None and (await withdraw.one(self.world.ctx, self.world.caller, known.id)):
            known.last_call = self.provider.calls

    async def opt_out(self) -> None:
        await opt_outs.add(self.world.ctx, self.account, [OPTS_OUT])
        if self.opted_out_after is None:
            self.opted_out_after = self.provider.calls

    # What the dispatcher does

    async def release_fill_and_deliver(self, script: list[str]) -> None:
        await self.release_and_fill()
        await self.deliver(script)

    async def deliver(self, script: list[str]) -> None:
        self.provider.script = script
        await self.world.deliver()

    async def deliver_twice(self, script: list[str]) -> None:
        """Redis delivers each entry twice, and once more what was lost."""
        self.provider.script = script
        ids = self.world.lanes.take()
        await self.world.deliver([*ids, *self.lost])
        await self.world.deliver(ids)

    async def lose_the_lane(self) -> None:
        self.lost = self.world.lanes.take()

    async def claim_and_die(self, which: int, script: list[str]) -> None:
        """A worker claims, calls the provider, and is cut off before it writes the outcome."""
        await self.release_and_fill()
        self.provider.script = script
        attempt = await self.world.claim_and_call(self.pick(which).id, self.provider.outcome_of)
        if attempt is not None:
            self.unwritten.append(attempt)
            self.provider.held[self.reference_of(attempt)] = attempt.attempt

    async def write_late(self, which: int) -> None:
        if not self.unwritten:
            return
        attempt = self.unwritten.pop(which % len(self.unwritten))
        decided = DecidedAttempt(attempt, Recorder(self.world.ctx).put(attempt))
        await recorder.write(self.world.ctx, [decided])
        self.written.append(decided)
        reference = self.reference_of(attempt)
        if self.provider.held.get(reference) == attempt.attempt:
            del self.provider.held[reference]

    async def write_again(self, which: int) -> None:
        """The answer of a commit was lost, so the recorder writes the outcome once more."""
        if self.written:
            await recorder.write(self.world.ctx, [self.written[which % len(self.written)]])

    async def wait(self, seconds: int) -> None:
        self.world.time.advance(seconds * SECOND)

    async def rescue(self) -> None:
        """Leases end, and their workers are taken for dead."""
        for _ in range(2):
            self.world.time.advance(LEASE)
            await self.world.clock.rescue()
        self.provider.held.clear()
        self.world.time.advance(LEASE)  # until most are due again

    async def run_a_duty(self, duty: str) -> None:
        await getattr(self.world.clock, duty)()

    async def release_and_fill(self) -> None:
        await self.world.clock.release()
        await self.world.clock.fill()

    # What the provider reports

    async def report(self, which: int, status: Status, by_ours: bool) -> None:
        taken = [(reference, take) for reference, takes in self.provider.taken.items() for take in takes]
        if not taken:
            return
        reference, take = taken[which % len(taken)]
        if status is Status.RECEIVED:
            self.delivered.add(reference)
        report = ReceiptReport(
            ref=None if by_ours else take.ref, reference=reference if by_ours else None, status=status
        )
        await ingest.keep(self.world.ctx, "sim", [report])
        await ingest.match(self.world.ctx)

    # What must be true after each step

    async def check(self) -> None:
        rows = await self.world.all(_ROWS, id=self.account.id)
        assert {str(row.public_id) for row in rows} == self.messages.keys()
        for row in rows:
            reference = str(row.public_id)
            self._check_row(row)
            self._check_takes(self.messages[reference], row, self.provider.taken.get(reference, []))
        [account] = await self.world.all(_BALANCE, id=self.account.id)
        spent = sum(row.charged for row in rows if not Status(row.status).is_refunded)
        assert account.balance == account.total == CREDITS - spent

    def _check_row(self, row: Any) -> None:
        status, events = Status(row.status), [Status(code) for code in row.events]
        for before, after in pairwise(events):
            assert after is before or after in TRANSITIONS[before], events
        assert events[-1] is status
        assert row.place in {None, Place.READY} or row.wake_at is not None, "nobody looks at it again"
        assert row.refunds == (status.is_refunded and row.charged > 0)
        assert status is not Status.RECEIVED or str(row.public_id) in self.delivered
        assert not (row.doubts and status.is_refunded), "refunded in doubt"

    def _check_takes(self, known: Expected, row: Any, takes: list[Take]) -> None:
        status = Status(row.status)
        assert len(takes) <= 1 + row.doubts, "taken more often than its doubts allow"
        assert row.doubts <= 1 + self.world.settings.doubt("sim", Tier(row.tier)).resends
        assert not (takes and status.is_refunded), "refunded, and the provider has it"
        assert takes or status not in {Status.SENT, Status.RECEIVED}, "nobody took it"
        for take in takes:
            order = known.order_at(take.call)
            assert take.text == order.text, "sent with a text that was changed"
            assert order.window[0] <= take.at < order.window[1], "sent outside its window"
            assert known.last_call is None or take.call <= known.last_call, "sent after it was withdrawn"
            if known.number == OPTS_OUT and self.opted_out_after is not None:
                assert take.call <= self.opted_out_after, "sent after the opt-out"

    async def end(self) -> None:
        """When all windows are over, each message has ended."""
        while self.unwritten:
            await self.write_late(0)
        self.provider.script = ["a"]
        for _ in range(3):
            self.world.time.advance(2 * HOUR)
            await self.world.clock.rescue()
            await self.world.clock.requeue()
            await self.world.clock.release()
            await self.world.clock.fill()
            await self.world.deliver()
            await self.world.clock.expire()
        for known in self.messages.values():
            assert (await self.world.row(known.id)).place is None
        await self.check()


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
@given(steps)
def test_messages_live_by_the_rules_in_any_order_of_events(
    world: World, history: list[tuple[str, dict[str, Any]]]
) -> None:
    provider = ModelProvider(world=world)
    world.providers = {"sim": provider}
    lives = MessageLives(world, provider)

    async def story() -> None:
        await lives.begin()
        for name, arguments in history:
            await getattr(lives, name)(**arguments)
            await lives.check()
        await lives.end()

    world.run_without_account(story)
