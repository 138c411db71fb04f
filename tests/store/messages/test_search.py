"""A search uses an index, even before the planner has statistics."""

import pytest

from dispatcher.domain.tier import Tier
from dispatcher.store.messages.search import MessageFilter, statement_for
from tests.world import NUMBER, World


async def _plan(world: World, wanted: MessageFilter, before: int | None) -> str:
    statement, values = statement_for(wanted, before=before, walk=100)
    rows = await world.all(f"EXPLAIN {statement}", **values, limit=51, with_text=False)
    return "\n".join(str(row[0]) for row in rows)


@pytest.mark.parametrize("before", [None, 1000])
def test_a_search_by_number_uses_its_index_in_order(world: World, before: int | None) -> None:
    async def story() -> None:
        await world.submit([NUMBER] * 300)
        for analyzed in (False, True):
            if analyzed:
                await world.all("ANALYZE messages, message_lookup")
            plan = await _plan(world, MessageFilter(number=NUMBER, tier=Tier.BULK), before)
            assert "ix_message_lookup_number" in plan
            assert "Seq Scan on message" not in plan
        assert "Scan Backward using ix_message_lookup_number" in plan

    world.run(story)


@pytest.mark.parametrize("before", [None, 1000])
def test_any_other_search_walks_by_id(world: World, before: int | None) -> None:
    async def story() -> None:
        await world.submit([NUMBER] * 300)
        plan = await _plan(world, MessageFilter(tier=Tier.BULK), before)
        assert "Index Scan Backward using pk_messages" in plan
        assert "Seq Scan on messages" not in plan

    world.run(story)
