"""No message is sent outside its window, even if time jumps between any two steps of a worker."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.delivery.provider import Accepted, Deferred, Gate, Outcome, Outgoing, Unsent
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts
from tests.world import ManualTime, ScriptedProvider, World

_names = count()


@dataclass
class JumpyTime(ManualTime):
    """Each reading advances the time, by up to `most` and often by nothing."""

    rng: random.Random = field(default_factory=random.Random)
    most: timedelta = timedelta(seconds=3)

    def now(self) -> datetime:
        if self.rng.random() < 0.3:
            self.at += self.most * self.rng.random()
        return self.at


@dataclass
class WatchingProvider(ScriptedProvider):
    """Waits before it asks the gate, records the times of writing, and defers some messages."""

    time: JumpyTime = field(default_factory=JumpyTime)
    written: list[tuple[datetime, str]] = field(default_factory=list)

    async def send(self, batch: Sequence[Outgoing], gate: Gate) -> Sequence[Outcome]:
        [outgoing] = batch
        self.time.at += self.time.most * self.time.rng.random() * self.time.rng.randrange(3)
        if not gate():
            return [Unsent("the gate was closed")]
        self.written.append((self.time.at, outgoing.reference))
        if self.time.rng.random() < 0.3:
            return [Deferred("busy")]
        return [Accepted((f"{outgoing.reference}-{outgoing.attempt}",))]


windows = st.tuples(st.integers(0, 20), st.integers(1, 20), st.sampled_from(Tier))


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    print_blob=True,
)
@given(st.lists(windows, min_size=1, max_size=15), st.integers(0, 2**32))
def test_no_message_is_sent_outside_its_window(
    world: World, wanted: list[tuple[int, int, Tier]], seed: int
) -> None:
    time = JumpyTime(at=world.time.at, rng=random.Random(seed))
    provider = WatchingProvider(time=time)
    world.time, world.providers = time, {"sim": provider}

    async def story() -> None:
        for start, length, tier in wanted:
            begin = timedelta(seconds=start)
            await world.submit(tier=tier, after=begin, until=begin + timedelta(seconds=length + 30))
        for _ in range(30):
            for duty in ("expire", "release", "fill", "requeue", "rescue"):
                await getattr(world.clock, duty)()
            await world.deliver()
            time.at += timedelta(seconds=2)
        for at, reference in provider.written:
            row = await world.one("SELECT * FROM messages WHERE public_id = :id", id=reference)
            assert row.not_before <= at < row.not_after
        time.at += timedelta(minutes=5)
        for duty in ("rescue", "requeue", "release", "expire"):
            await getattr(world.clock, duty)()
        left = await world.all("SELECT id, status, place FROM messages WHERE status IN (10, 11)")
        assert [row for row in left if row.place != "worker"] == []

    async def with_an_account() -> None:
        name = f"shop-{next(_names)}"
        account = await accounts.create(world.ctx, name, credits=1000, country="KE")
        await accounts.add_sender(world.ctx, account, "SHOP")
        world.caller = Caller(account, "test")
        await story()

    world.run_without_account(with_an_account)
