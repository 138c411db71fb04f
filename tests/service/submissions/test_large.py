"""Ten thousand recipients in one request."""

import resource

from dispatcher.domain.messages.submission import AcceptedBatch
from dispatcher.domain.tier import Tier
from tests.world import World

MANY = 10_000
NUMBERS = [f"+2547{n:08}" for n in range(MANY)]


async def _submit(world: World) -> AcceptedBatch:
    return await world.submit(NUMBERS, tier=Tier.BULK)


def test_ten_thousand_recipients_are_accepted_in_one_transaction_and_charged_once(world: World) -> None:
    async def story() -> None:
        batch = await _submit(world)
        assert [m.number_as_given for m in batch.messages] == NUMBERS
        found = await world.one(
            "SELECT count(*) AS n, count(DISTINCT xmin::text) AS transactions, sum(charged) AS charged"
            " FROM messages"
        )
        assert (found.n, found.transactions, found.charged) == (MANY, 1, MANY)
        [entry] = await world.all("SELECT amount FROM ledger WHERE kind = 'charge'")
        assert entry.amount == -MANY

    world.run(story, credits=MANY)


def test_repeated_large_submissions_do_not_use_more_memory(world: World) -> None:
    async def story() -> None:
        for _ in range(2):
            await _submit(world)
        before = _peak_mib()
        for _ in range(2):
            await _submit(world)
        assert _peak_mib() - before < 30

    world.run(story, credits=10 * MANY)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
