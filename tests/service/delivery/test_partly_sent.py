"""Messages of which a provider has some parts: only the others are sent, and it is never said otherwise."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from dispatcher.domain.delivery.message import Attempt, DecidedAttempt, Verdict
from dispatcher.domain.delivery.part_outcomes import outcome_of_parts
from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    Outcome,
    Outgoing,
    PartlyAccepted,
    ProviderConfig,
    ReceiptReport,
    Rejected,
    Traffic,
    Unknown,
    Unsent,
)
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.routing.provider_state import Override, ProviderState
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import opt_outs
from dispatcher.service.messages import search, withdraw
from dispatcher.service.messages.explain import explain
from dispatcher.service.receipts import ingest
from dispatcher.service.routing import routes
from dispatcher.store.delivery import outcomes
from tests.world import NUMBER, Answer, ScriptedProvider, World

LEASE, HOUR = timedelta(seconds=30), timedelta(hours=1)
LONG = "x" * 400
LATER, SILENCE = Deferred("ESME_RTHROTTLED"), Unknown("no answer")
NEVER, CLOSED = Rejected(Status.FAILED, "ESME_RSUBMITFAIL"), Unsent("the gate was closed")


@dataclass
class PartsProvider(ScriptedProvider):
    """Takes texts of three parts part by part, but those for which `refuse` has an outcome."""

    refuse: Callable[[int, int], Outcome | None] = lambda part, attempt: None
    parts: list[tuple[int, int, int]] = field(default_factory=list)
    """Each part that was sent: its reference, its number, and the attempt."""

    def __post_init__(self) -> None:
        self.answer = self.take

    async def take(self, outgoing: Outgoing) -> Outcome:
        taken = outgoing.parts_taken
        results: dict[int, Outcome] = {}
        for number in taken.left if taken else (1, 2, 3):
            self.parts.append((outgoing.part_reference, number, outgoing.attempt))
            refused = self.refuse(number, outgoing.attempt)
            results[number] = refused or Accepted((f"p{number}-{outgoing.attempt}",))
        return outcome_of_parts(results, total=3)

    @property
    def sent(self) -> list[tuple[int, int]]:
        """The number and the attempt of each part that was sent, which must have one reference."""
        assert len({reference for reference, _, _ in self.parts}) == 1
        return [(number, attempt) for _, number, attempt in self.parts]


def _first(outcome: Outcome, *, part: int = 2) -> Callable[[int, int], Outcome | None]:
    """Give a part this outcome in the first attempt."""
    return lambda number, attempt: outcome if (number, attempt) == (part, 1) else None


@pytest.fixture
def provider(world: World) -> PartsProvider:
    provider = PartsProvider()
    world.providers["sim"] = provider
    return provider


async def _begin(world: World, *, tier: Tier = Tier.STANDARD, until: timedelta | None = None) -> int:
    [message] = (await world.submit(text=LONG, tier=tier, until=until)).messages
    await world.deliver()
    return message.id


async def _due(world: World, message_id: int) -> None:
    row = await world.row(message_id)
    world.time.at = max(world.time.at, row.wake_at)
    await world.clock.release()
    await world.clock.fill()


async def _again(world: World, message_id: int) -> None:
    await _due(world, message_id)
    await world.deliver()


async def _report(world: World, **statuses: Status) -> None:
    reports = [ReceiptReport(ref.replace("_", "-"), None, status) for ref, status in statuses.items()]
    await ingest.keep(world.ctx, "sim", reports)
    await ingest.match(world.ctx)


@pytest.mark.parametrize("tier", Tier)
@pytest.mark.parametrize("outcome", [LATER, Deferred("ESME_RMSGQFUL"), CLOSED])
def test_a_part_that_was_surely_not_taken_goes_again_alone_and_is_no_doubt(
    world: World, provider: PartsProvider, tier: Tier, outcome: Outcome
) -> None:
    async def story() -> None:
        provider.refuse = _first(outcome)
        message_id = await _begin(world, tier=tier)
        row = await world.row(message_id)
        assert (row.status, row.place, row.doubts, row.parts_taken) == (11, Place.HELD, 0, "101")
        await _again(world, message_id)
        assert provider.sent == [(1, 1), (2, 1), (3, 1), (2, 2)]
        assert (await world.row(message_id)).status == Status.SENT

    world.run(story)


def test_a_try_in_which_a_part_was_taken_is_no_deferral(world: World, provider: PartsProvider) -> None:
    async def story() -> None:
        provider.refuse = _first(LATER)
        message_id = await _begin(world)
        assert (await world.row(message_id)).deferrals == 0
        provider.refuse = lambda part, attempt: LATER
        await _again(world, message_id)
        row = await world.row(message_id)
        assert (row.deferrals, row.reason) == (1, "ESME_RTHROTTLED; 2 of 3 parts went out")

    world.run(story)


def test_a_refused_part_ends_the_message_and_says_how_many_parts_went_out(
    world: World, provider: PartsProvider
) -> None:
    async def story() -> None:
        provider.refuse = _first(NEVER)
        row = await world.row(await _begin(world))
        assert (row.status, row.reason) == (38, "ESME_RSUBMITFAIL; 2 of 3 parts went out")

    world.run(story)


@pytest.mark.parametrize(("tier", "status"), [(Tier.BULK, 39), (Tier.STANDARD, 12)])
def test_a_part_whose_answer_never_came_follows_the_doubt_policy_and_goes_again_alone(
    world: World, provider: PartsProvider, tier: Tier, status: int
) -> None:
    async def story() -> None:
        provider.refuse = _first(SILENCE)
        message_id = await _begin(world, tier=tier)
        row = await world.row(message_id)
        assert (row.doubts, row.reason) == (1, "in doubt: no answer; 2 of 3 parts went out")
        if row.place is not None:
            await _again(world, message_id)
        assert (await world.row(message_id)).status == status
        assert provider.sent == [(1, 1), (2, 1), (3, 1), *([] if tier is Tier.BULK else [(2, 2)])]

    world.run(story)


def test_a_worker_that_dies_leaves_only_the_rest_in_doubt(world: World, provider: PartsProvider) -> None:
    async def story() -> None:
        provider.refuse = _first(LATER)
        message_id = await _begin(world)
        await _due(world, message_id)
        world.lanes.take()
        await world.claim(message_id)
        for _ in range(2):
            world.time.advance(LEASE)
            await world.clock.rescue()
        row = await world.row(message_id)
        assert row.reason == "in doubt: its worker went away during the call; 2 of 3 parts went out"
        await _again(world, message_id)
        assert provider.sent == [(1, 1), (2, 1), (3, 1), (2, 3)]
        assert (await world.row(message_id)).status == Status.SENT

    world.run(story)


def test_a_message_that_is_out_in_part_is_not_cancelled_when_its_window_closes(
    world: World, provider: PartsProvider
) -> None:
    async def story() -> None:
        provider.refuse = lambda part, attempt: LATER if part == 2 else None
        message_id = await _begin(world, until=HOUR)
        balance = await world.balance()
        world.time.advance(HOUR)
        assert await world.clock.expire() == 1
        row = await world.row(message_id)
        assert (row.status, row.reason) == (39, "its window is over; 2 of 3 parts went out")
        assert await world.balance() == balance

    world.run(story)


def test_a_try_that_ends_after_the_window_leaves_a_part_out_and_no_refund(
    world: World, provider: PartsProvider
) -> None:
    async def story() -> None:
        def close(part: int, attempt: int) -> Outcome | None:
            world.time.advance(HOUR)
            return LATER if part == 2 else None

        provider.refuse = close
        row = await world.row(await _begin(world, until=HOUR))
        assert row.status == Status.GAVE_UP
        assert row.reason == "ESME_RTHROTTLED; 2 of 3 parts went out; its window is over"

    world.run(story)


def test_a_message_that_is_out_in_part_is_neither_withdrawn_nor_refunded(
    world: World, provider: PartsProvider
) -> None:
    async def story() -> None:
        provider.refuse = _first(LATER)
        message_id = await _begin(world)
        balance = await world.balance()
        assert not await withdraw.one(world.ctx, world.caller, message_id)
        await opt_outs.add(world.ctx, world.caller.account, [NUMBER])
        await _again(world, message_id)
        row = await world.row(message_id)
        assert (row.status, row.reason) == (39, "the number has opted out; 2 of 3 parts went out")
        assert await world.balance() == balance

    world.run(story)


def test_the_rest_goes_to_the_same_provider_though_it_is_paused_or_left_the_route(
    world: World, provider: PartsProvider
) -> None:
    second = world.providers["second"] = ScriptedProvider()
    world.configs["second"] = ProviderConfig("second", "test", {}, tps=10_000, takes=Traffic.BOTH)

    async def story() -> None:
        provider.refuse = _first(LATER)
        message_id = await _begin(world)
        world.ctx.provider_health.states["sim"] = ProviderState(override=Override.PAUSED)
        await _again(world, message_id)
        assert (await world.row(message_id)).waits_for == "sim paused"
        lines = explain(
            await search.history(world.ctx, message_id),
            now=world.time.now(),
            consumed={"clock": world.time.now()},
        )
        assert lines[0].startswith("No provider of its route takes messages: sim is paused.")
        assert (
            "sim has 2 of its 3 parts. Only the rest (part 2) goes out, and only there:"
            " a phone joins parts by sender and reference." in lines
        )
        world.ctx.provider_health.states["sim"] = ProviderState()
        await routes.set_table(world.ctx, {"rules": [{"ways": [{"second": 1}]}]}, by="test")
        await _again(world, message_id)
        assert provider.sent == [(1, 1), (2, 1), (3, 1), (2, 2)]
        assert second.seen == []

    world.run(story)


def test_a_rest_that_is_put_off_does_not_fail_over(world: World, provider: PartsProvider) -> None:
    second = world.providers["second"] = ScriptedProvider()
    world.configs["second"] = ProviderConfig("second", "test", {}, tps=10_000, takes=Traffic.BOTH)

    async def story() -> None:
        provider.refuse = lambda part, attempt: LATER if part == 2 and attempt < 4 else None
        message_id = await _begin(world)
        for _ in range(3):
            await _again(world, message_id)
        assert provider.sent == [(1, 1), (2, 1), (3, 1), (2, 2), (2, 3), (2, 4)]
        assert (second.seen, (await world.row(message_id)).status) == ([], Status.SENT)

    world.run(story)


def test_the_rest_waits_while_its_provider_is_not_configured(world: World, provider: PartsProvider) -> None:
    async def story() -> None:
        provider.refuse = _first(LATER)
        message_id = await _begin(world)
        await world.all("UPDATE messages SET provider = 'gone'")
        await _again(world, message_id)
        row = await world.row(message_id)
        assert (row.status, row.place, row.waits_for) == (11, Place.HELD, "gone not configured")
        assert len(provider.parts) == 3

    world.run(story)


def test_a_message_is_received_when_all_parts_are_in_whatever_attempt_they_were_taken(
    world: World, provider: PartsProvider
) -> None:
    async def story() -> None:
        provider.refuse = _first(LATER)
        message_id = await _begin(world)
        await _report(world, p1_1=Status.RECEIVED, p3_1=Status.RECEIVED)
        assert (await world.row(message_id)).status == Status.PENDING
        await _again(world, message_id)
        assert (await world.row(message_id)).status == Status.SENT
        rows = await world.all("SELECT part, attempt, ref FROM provider_references ORDER BY part")
        assert [row.ref for row in rows] == ["p1-1", "p2-2", "p3-1"]
        assert [(row.part, row.attempt) for row in rows] == [(1, 1), (2, 2), (3, 1)]
        await _report(world, p2_2=Status.RECEIVED)
        assert (await world.row(message_id)).status == Status.RECEIVED

    world.run(story)


def test_a_delivered_part_does_not_deliver_a_message_that_is_not_all_out(
    world: World, provider: PartsProvider
) -> None:
    async def story() -> None:
        provider.refuse = lambda part, attempt: LATER if part > 1 else None
        message_id = await _begin(world, until=HOUR)
        await _report(world, p1_1=Status.RECEIVED)
        assert (await world.row(message_id)).status == Status.PENDING
        world.time.advance(HOUR)
        await world.clock.expire()
        await _report(world, p1_1=Status.RECEIVED)
        assert (await world.row(message_id)).status == Status.GAVE_UP

    world.run(story)


@pytest.mark.parametrize("is_sent", [False, True])
def test_a_failed_part_fails_the_message_before_and_after_the_others_are_sent(
    world: World, provider: PartsProvider, is_sent: bool
) -> None:
    async def story() -> None:
        provider.refuse = _first(LATER)
        message_id = await _begin(world)
        if is_sent:
            await _again(world, message_id)
        await _report(world, p1_1=Status.FAILED)
        assert [status for status, _ in await world.events(message_id)] == [11, 11, 12, 38]

    world.run(story)


def test_a_failure_of_a_part_counts_only_for_its_newest_submission(
    world: World, provider: PartsProvider
) -> None:
    async def story() -> None:
        provider.refuse = _first(SILENCE)
        message_id = await _begin(world)
        await _again(world, message_id)
        await world.all(
            "INSERT INTO provider_references (provider, ref, message_id, attempt, part, at)"
            " VALUES ('sim', 'p2-1', :id, 1, 2, now())",
            id=message_id,
        )
        await _report(world, p2_1=Status.FAILED)
        assert (await world.row(message_id)).status == Status.SENT
        await _report(world, p1_1=Status.RECEIVED, p3_1=Status.RECEIVED, p2_2=Status.RECEIVED)
        assert (await world.row(message_id)).status == Status.RECEIVED

    world.run(story)


def test_parts_of_an_outcome_that_comes_late_are_not_sent_again(
    world: World, provider: PartsProvider
) -> None:
    async def story() -> None:
        [message] = (await world.submit(text=LONG)).messages
        attempt = await world.claim(message.id)
        world.lanes.take()
        for _ in range(2):
            world.time.advance(LEASE)
            await world.clock.rescue()
        late = PartlyAccepted(3, {1: "p1-1", 3: "p3-1"}, LATER)
        ended = Attempt(message.id, attempt, Tier.STANDARD, world.time.now() + HOUR, 0, 0, "sim", late)
        decided = DecidedAttempt(ended, Verdict(Status.PENDING, Place.HELD, world.time.now(), "late"))
        await world.ctx.database.transact(
            lambda c: outcomes.record(c, [decided], now=world.time.now(), polls={})
        )
        await _again(world, message.id)
        assert provider.sent == [(2, 2)]
        assert (await world.row(message.id)).status == Status.SENT

    world.run(story)


def test_a_part_with_a_reference_that_cannot_be_stored_is_taken_all_the_same(
    world: World, provider: PartsProvider
) -> None:
    async def story() -> None:
        provider.answer = _answer(PartlyAccepted(3, {1: "p1", 3: "\0"}, LATER))
        message_id = await _begin(world)
        assert (await world.row(message_id)).parts_taken == "101"
        assert await world.all("SELECT ref FROM provider_references") == []

    world.run(story)


def _answer(outcome: Outcome) -> Answer:
    async def answer(_: Outgoing) -> Outcome:
        return outcome

    return answer


@pytest.mark.parametrize(("taken", "kept"), [({2: "b"}, "010"), ({}, None)])
def test_parts_that_one_provider_took_late_are_not_those_of_the_next(
    world: World, provider: PartsProvider, taken: dict[int, str], kept: str | None
) -> None:
    async def story() -> None:
        [message] = (await world.submit(text=LONG)).messages
        first = await world.claim(message.id)
        for _ in range(2):
            world.time.advance(LEASE)
            await world.clock.rescue()
        await _due(world, message.id)
        second = await world.claim(message.id)

        async def record(attempt: int, name: str, parts: dict[int, str]) -> None:
            outcome = PartlyAccepted(3, parts, LATER) if parts else LATER
            row = await world.row(message.id)
            ended = Attempt(message.id, attempt, Tier.STANDARD, row.not_after, 0, 1, name, outcome)
            later = Verdict(Status.PENDING, Place.HELD, world.time.now() + HOUR, "ESME_RTHROTTLED")
            await world.ctx.database.transact(
                lambda c: outcomes.record(c, [DecidedAttempt(ended, later)], now=world.time.now(), polls={})
            )

        await record(first, "sim", {1: "a"})
        assert (await world.row(message.id)).parts_taken == "100"
        await record(second, "second", taken)  # the call failed over
        row = await world.row(message.id)
        assert (row.provider, row.parts_taken) == ("second", kept)

    world.run(story)
