"""Lanes: the open messages by tier and place, and whether their queues are consumed."""

from datetime import datetime

from dispatcher.api.manage.dependencies import Ctx
from dispatcher.api.manage.fields import ResponseModel
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.domain.messages.status import Place
from dispatcher.domain.tier import Tier
from dispatcher.service.health import readiness
from dispatcher.service.messages import search

router = operator_router("Lanes")


class LaneResponse(ResponseModel):
    """The open messages of a tier by place; `last_consumed` null: never, or Redis cannot be reached."""

    tier: Tier
    held: int
    ready: int
    lane: int
    worker: int
    oldest: datetime | None
    next_wake: datetime | None
    last_consumed: datetime | None


class LanesResponse(ResponseModel):
    """All tiers, and when the other queues were last consumed."""

    redis: bool
    lanes: list[LaneResponse]
    other_queues: dict[str, datetime | None]


@router.get(f"{PREFIX}/lanes")
async def show_lanes(ctx: Ctx) -> LanesResponse:
    """Return the open messages by tier and place, as `dispatcher lanes` shows them."""
    counts = await search.on_the_way(ctx)
    consumed = await readiness.lanes(ctx)
    consumed_at = consumed or {}
    lanes = []
    for tier in Tier:
        own = [count for count in counts if count.tier is tier]
        places = {place.value: sum(c.count for c in own if c.place is place) for place in Place}
        lanes.append(
            LaneResponse(
                tier=tier,
                **places,
                oldest=min((c.oldest for c in own), default=None),
                next_wake=min((c.next_wake for c in own if c.next_wake), default=None),
                last_consumed=consumed_at.get(tier),
            )
        )
    others = {queue: at for queue, at in consumed_at.items() if queue not in set(Tier)}
    return LanesResponse(redis=consumed is not None, lanes=lanes, other_queues=others)
