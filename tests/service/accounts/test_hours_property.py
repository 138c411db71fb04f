"""Whatever hours are set, and whatever happens meanwhile: no message is sent outside them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.delivery.provider import Deferred, Gate, Outcome, Outgoing
from dispatcher.domain.hours.allowed_hours import AllowedHours, DaySpan, closing, opening
from dispatcher.domain.hours.zones import zones_of
from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts
from tests.service.accounts.test_hours import (
    DAY,
    HOUR,
    MINUTE,
    NAIROBI,
    NEW_YORKER,
    NOON,
    RUSSIAN,
    SECOND,
    allow,
    go_on,
)
from tests.world import NUMBER, ManualTime, ScriptedProvider, World

_names = count()
_PEOPLE = (NUMBER, "+33612345678", NEW_YORKER, RUSSIAN, "+919876543210")

edges = st.lists(st.integers(0, 48).map(lambda half: half * 30 * MINUTE), max_size=4, unique=True).map(sorted)
days = edges.map(lambda es: tuple(DaySpan(a, b) for a, b in zip(es[::2], es[1::2], strict=False)))
weeks = st.builds(
    AllowedHours,
    st.tuples(*[days] * 7),
    holidays=st.sets(st.dates(NOON.date(), (NOON + 3 * DAY).date()), max_size=1).map(frozenset),
    zone=st.sampled_from([None, None, NAIROBI]),
).filter(lambda allowed: any(allowed.week))
wanted = st.tuples(st.sampled_from(_PEOPLE), st.integers(0, 48), st.integers(1, 72), st.sampled_from(Tier))


@dataclass
class WatchingProvider(ScriptedProvider):
    """Records each call and its time; refuses some, and lets time pass before each call."""

    time: ManualTime = field(default_factory=ManualTime)
    rng: random.Random = field(default_factory=random.Random)
    most: timedelta = timedelta()
    written: list[tuple[datetime, str]] = field(default_factory=list)

    async def send(self, batch: Sequence[Outgoing], gate: Gate) -> Sequence[Outcome]:
        self.time.at += self.most * self.rng.random() * self.rng.randrange(2)
        seen = len(self.seen)
        outcomes = await super().send(batch, gate)
        self.written += [(self.time.at, outgoing.to) for outgoing in self.seen[seen:]]
        if self.most and self.rng.random() < 0.3:
            return [Deferred("busy") for _ in batch]
        return outcomes


def _is_open(allowed: AllowedHours, number: str, moment: datetime) -> bool:
    """Return whether it is open by the clock of each zone; no clock changes on these days."""
    for zone in (allowed.zone,) if allowed.zone else zones_of(number):
        local = moment.astimezone(zone)
        since_midnight = local.replace(tzinfo=None) - datetime.combine(local.date(), datetime.min.time())
        spans = () if local.date() in allowed.holidays else allowed.week[local.weekday()]
        if not any(start <= since_midnight < end for start, end in spans):
            return False
    return True


def _just_before_closing(allowed: AllowedHours, number: str, moment: datetime) -> datetime:
    zones = zones_of(number)
    opens = opening(allowed, zones, at=moment)
    closes = None if opens is None else closing(allowed, zones, at=opens)
    return moment if closes is None else closes - 10 * SECOND


@examples(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(weeks, weeks, st.lists(wanted, min_size=1, max_size=8), st.booleans(), st.integers(0, 2**32))
def test_nothing_leaves_outside_allowed_hours_and_what_can_be_sent_within_them_is(
    world: World,
    first: AllowedHours,
    then: AllowedHours,
    messages: list[tuple[str, int, int, Tier]],
    is_calm: bool,
    seed: int,
) -> None:
    """
    Where it is not calm, providers are slow or refuse, time jumps and hours change: openings may be missed.

    Windows begin so shortly before hours end that a lease outlasts them.
    """
    time, rng = ManualTime(NOON), random.Random(seed)
    provider = WatchingProvider(time=time, rng=rng, most=timedelta() if is_calm else 20 * SECOND)
    world.time, world.providers = time, {"sim": provider}
    allowed = first

    async def story() -> None:
        nonlocal allowed
        await allow(world, first, *Tier)
        made = {}
        for number, start, length, tier in messages:
            begin = NOON + start * HOUR / 2
            if not is_calm:
                begin = _just_before_closing(first, number, begin)
            window = begin - NOON, begin - NOON + length * HOUR / 2
            batch = await world.submit(number, tier=tier, after=window[0], until=window[1])
            made[batch.messages[0].id] = number, window
        while (wake_at := await world.clock.next_wake()) is not None or world.lanes.published:
            checked = len(provider.written)
            late = 3 * HOUR * rng.random() * (not is_calm and rng.randrange(2))
            wakes = time.at if wake_at is None or world.lanes.published else max(time.at, wake_at)
            await go_on(world, wakes + late)
            assert all(_is_open(allowed, to, at) for at, to in provider.written[checked:])
            await world.clock.requeue()
            if not is_calm and rng.random() < 0.2:
                allowed = then
                await allow(world, then, *Tier)
        await go_on(world, time.at + 5 * DAY)
        for id_, (number, window) in made.items():
            steps = range(int(window[0] / (HOUR / 2)), int(window[1] / (HOUR / 2)))
            can_be_sent = any(_is_open(first, number, NOON + step * HOUR / 2) for step in steps)
            status = (await world.row(id_)).status
            assert status in (Status.SENT, Status.EXPIRED)
            assert not is_calm or (status == Status.SENT) == can_be_sent

    async def with_an_account() -> None:
        account = await accounts.create(world.ctx, f"shop-{next(_names)}", credits=1000, country="KE")
        await accounts.add_sender(world.ctx, account, "SHOP")
        world.caller = Caller(account, "test")
        await story()

    world.run_without_account(with_an_account)
