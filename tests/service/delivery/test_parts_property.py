"""
A message of some parts, whatever happens to it in whatever order.

No part that is known to be with the provider is sent again, each status follows by the table, no credit comes
back while a part is out, "delivered" means all parts, and the waits follow one another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count, pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.delivery.message import Attempt, DecidedAttempt
from dispatcher.domain.delivery.part_outcomes import outcome_of_parts
from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    Outcome,
    Outgoing,
    PartlyAccepted,
    ReceiptReport,
    Rejected,
    Unknown,
)
from dispatcher.domain.messages.edit import NewText, Selection
from dispatcher.domain.messages.status import TRANSITIONS, Place, Status
from dispatcher.domain.routing.provider_state import Override
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts
from dispatcher.service.delivery import recorder
from dispatcher.service.delivery.recorder import Recorder
from dispatcher.service.messages import edits, search, withdraw
from dispatcher.service.receipts import ingest
from dispatcher.service.routing import providers
from tests.world import ScriptedProvider, World

HOUR, SECOND, LEASE = timedelta(hours=1), timedelta(seconds=1), timedelta(seconds=30)
LENGTHS = {1: 10, 2: 200, 3: 400, 4: 500}
CREDITS = 100
REFUSED, LATER, SILENCE = (
    Rejected(Status.FAILED, "ESME_RSUBMITFAIL"),
    Deferred("ESME_RTHROTTLED"),
    Unknown("no answer"),
)
_names = count()

answers = st.lists(st.sampled_from("aaaaddur"), min_size=4, max_size=4)
steps = st.one_of(
    st.tuples(st.sampled_from(["send", "send", "die"]), answers),
    st.tuples(st.just("receipt"), st.integers(0, 30), st.sampled_from([Status.RECEIVED, Status.FAILED])),
    st.tuples(st.sampled_from(["rescue", "late", "late", "wait", "withdraw", "edit", "pause", "resume"])),
    st.tuples(st.just("expire")),
)


@dataclass
class Model(ScriptedProvider):
    """The provider's side, and what the dispatcher was told of it: the parts that are known to be out."""

    world: World | None = None
    total: int = 1
    next_answers: Sequence[str] = "aaaa"
    known: set[int] = field(default_factory=set)
    text_out: str | None = None
    refs: list[tuple[str, int, int]] = field(default_factory=list)
    """The reference, the attempt and the part of each part that was taken."""
    reported: dict[str, Status] = field(default_factory=dict)
    unwritten: list[Attempt] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.answer = self.take

    async def take(self, outgoing: Outgoing) -> Outcome:
        outcome = self.part_outcomes(outgoing)
        self.note(outcome, outgoing)
        return outcome

    def part_outcomes(self, outgoing: Outgoing) -> Outcome:
        taken = outgoing.parts_taken
        if taken is not None and taken.are_all:
            return Accepted(())
        numbers = taken.left if taken else range(1, self.total + 1)
        assert self.known.isdisjoint(numbers), "a part that is known to be out is sent again"
        assert self.text_out in (None, outgoing.text), "the parts are of two texts"
        results: dict[int, Outcome] = {}
        for number in numbers:
            match self.next_answers[number - 1]:
                case "a":
                    ref = f"{outgoing.reference}-{outgoing.attempt}-{number}"
                    self.refs.append((ref, outgoing.attempt, number))
                    results[number] = Accepted((ref,))
                case "d":
                    results[number] = LATER
                case "u":
                    results[number] = SILENCE
                case _:
                    results[number] = REFUSED
        return outcome_of_parts(results, total=self.total)

    def note(self, outcome: Outcome, outgoing: Outgoing) -> None:
        if isinstance(outcome, PartlyAccepted):
            self.known.update(outcome.taken)
            self.text_out = outgoing.text


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    print_blob=True,
)
@given(st.integers(1, 4), st.sampled_from(Tier), st.lists(steps, min_size=3, max_size=14))
def test_whatever_happens_to_a_message_of_parts(
    world: World, total: int, tier: Tier, history: list[tuple[str, object, object]]
) -> None:
    model = Model(world=world, total=total)
    world.providers = {"sim": model}
    world.lanes.take()

    async def story() -> None:
        name = f"shop-{next(_names)}"
        account = await accounts.create(world.ctx, name, credits=CREDITS, country="KE")
        await accounts.add_sender(world.ctx, account, "SHOP")
        world.caller = Caller(account, "test")
        text = "x" * LENGTHS[total]
        [message] = (await world.submit(text=text, tier=tier, until=2 * HOUR)).messages
        for number, (step, *arguments) in enumerate(history):
            await _take_step(world, model, message.id, step, arguments, text=chr(ord("a") + number % 20))
            await _check(world, model, message.id, account.id)
        while model.unwritten:
            await _write_late(world, model)
        for _ in range(3):
            world.time.advance(timedelta(minutes=20))
            await ingest.match(world.ctx)
        await _check(world, model, message.id, account.id)
        await _check_deliveries(world, model, message.id)

    try:
        world.run_without_account(story)
    finally:
        world.time.advance(timedelta(days=1))


async def _take_step(
    world: World, model: Model, message_id: int, step: str, arguments: Sequence[object], *, text: str
) -> None:
    match step, arguments:
        case "send", [answers]:
            model.next_answers = answers  # type: ignore[assignment]
            await _into_lane(world, message_id)
            await world.deliver()
        case "die", [answers]:
            model.next_answers = answers  # type: ignore[assignment]
            await _die(world, model, message_id)
        case "receipt", [index, status]:
            await _report(world, model, index, status)  # type: ignore[arg-type]
        case "late", _:
            if model.unwritten:
                await _write_late(world, model)
        case "edit", _:
            selection = Selection(world.caller.account, message=message_id)
            await edits.edit(world.ctx, selection, NewText(text * LENGTHS[model.total]))
        case _:
            await _OTHER_STEPS[step](world, message_id)


async def _rescue(world: World, message_id: int) -> None:
    for _ in range(2):
        world.time.advance(LEASE)
        await world.clock.rescue()


async def _wait(world: World, message_id: int) -> None:
    world.time.advance(7 * SECOND)


async def _withdraw(world: World, message_id: int) -> None:
    await withdraw.one(world.ctx, world.caller, message_id)


async def _pause(world: World, message_id: int) -> None:
    await providers.set_override(world.ctx, "sim", Override.PAUSED, by="root")
    await world.ctx.provider_health.refresh()


async def _resume(world: World, message_id: int) -> None:
    await providers.set_override(world.ctx, "sim", Override.NONE, by="root")
    await world.ctx.provider_health.refresh()
    await world.ctx.provider_health.wait_until_released()


async def _expire(world: World, message_id: int) -> None:
    world.time.at = max(world.time.at, (await world.row(message_id)).not_after)
    await world.clock.expire()


_OTHER_STEPS = {
    "rescue": _rescue,
    "wait": _wait,
    "withdraw": _withdraw,
    "pause": _pause,
    "resume": _resume,
    "expire": _expire,
}


async def _into_lane(world: World, message_id: int) -> None:
    row = await world.row(message_id)
    if row.place == Place.HELD:
        world.time.at = max(world.time.at, row.wake_at)
    await world.clock.release()
    await world.clock.fill()


async def _die(world: World, model: Model, message_id: int) -> None:
    """Send as a worker that dies, or is cut off from Postgres, before it writes the outcome."""
    await _into_lane(world, message_id)
    world.lanes.take()
    attempt = await world.claim_and_call(message_id, model.part_outcomes)
    if attempt is not None:
        model.unwritten.append(attempt)


async def _write_late(world: World, model: Model) -> None:
    attempt = model.unwritten.pop(0)
    row = await world.row(attempt.message_id)
    verdict = Recorder(world.ctx).put(attempt)
    await recorder.write(world.ctx, [DecidedAttempt(attempt, verdict)])
    if isinstance(attempt.outcome, PartlyAccepted) and row.status == Status.PENDING:
        model.known.update(attempt.outcome.taken)
        model.text_out = row.text


async def _report(world: World, model: Model, index: int, status: Status) -> None:
    if not model.refs:
        return
    ref, _, _ = model.refs[index % len(model.refs)]
    if model.reported.get(ref) is not Status.RECEIVED:
        model.reported[ref] = status
    await ingest.keep(world.ctx, "sim", [ReceiptReport(ref, None, status)])
    await ingest.match(world.ctx)


async def _check(world: World, model: Model, message_id: int, account_id: int) -> None:
    row = await world.row(message_id)
    status = Status(row.status)
    events = [Status(code) for code, _ in await world.events(message_id)]
    for before, after in pairwise(events):
        assert after is before or after in TRANSITIONS[before], events
    assert events[-1] is status

    [account] = await world.all("SELECT balance FROM accounts WHERE id = :id", id=account_id)
    assert account.balance == CREDITS - (0 if status.is_refunded else row.charged)
    if status.is_refunded:
        assert not model.known
        assert row.doubts == 0
        assert row.parts_taken is None
    if status is Status.RECEIVED:
        delivered = {part for ref, _, part in model.refs if model.reported.get(ref) is Status.RECEIVED}
        assert delivered == set(range(1, model.total + 1))

    end = row.created_at
    for wait in (await search.history(world.ctx, message_id)).waits:
        assert wait.until is not None
        assert end <= wait.since < wait.until <= world.time.now()
        end = wait.until
    if row.wait_kind is not None:
        assert row.place is not None
        assert end <= row.wait_since <= world.time.now()
    assert row.place is not None or (row.waits_for, row.wait_since) == (None, None)


async def _check_deliveries(world: World, model: Model, message_id: int) -> None:
    """If all parts of one attempt are delivered, or all that count, the message is not only sent."""
    row = await world.row(message_id)
    written = {
        (one.ref, one.attempt, one.part)
        for one in await world.all(
            "SELECT ref, attempt, part FROM provider_references WHERE message_id = :id", id=message_id
        )
    }
    delivered = [one for one in written if model.reported.get(one[0]) is Status.RECEIVED]
    whole = [
        attempt
        for attempt in {attempt for _, attempt, _ in written}
        if {part for _, of, part in delivered if of == attempt} == set(range(1, model.total + 1))
    ]
    if whole or (row.parts_taken and {part for _, _, part in delivered} == set(range(1, model.total + 1))):
        assert row.status != Status.SENT
