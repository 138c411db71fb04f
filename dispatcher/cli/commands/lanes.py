"""`dispatcher lanes`: how many messages are at each place, since when, and whether workers consume."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import typer

from dispatcher.cli.arguments import AsJson, Data
from dispatcher.cli.console import print_json, print_line, print_table
from dispatcher.cli.session import run_with_context
from dispatcher.domain.duration import format_duration
from dispatcher.domain.messages.status import Place
from dispatcher.domain.tier import Tier
from dispatcher.service.context import Context
from dispatcher.service.health import readiness
from dispatcher.service.messages import search
from dispatcher.service.messages.search import PlaceCount

Consumed = Mapping[str, datetime | None]


def register(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(lanes)


def lanes(as_json: AsJson = False, data: Data = None) -> None:
    """Count the messages on their way, by tier and place, and show when each queue was last consumed."""

    async def work(ctx: Context) -> tuple[list[PlaceCount], Consumed | None, datetime]:
        return await search.on_the_way(ctx), await readiness.lanes(ctx), ctx.now()

    counts, consumed, now = run_with_context(data, work)
    rows = [_tier(tier, [count for count in counts if count.tier is tier], consumed, now) for tier in Tier]
    others = {queue: at for queue, at in (consumed or {}).items() if queue not in set(Tier)}
    if as_json:
        print_json({"redis": consumed is not None, "lanes": rows, "other_queues": others})
        return
    columns = ("tier", *Place, "oldest", "next wake", "last consumed")
    table = [_row(row, now, reachable=consumed is not None) for row in rows]
    print_table(columns, table, numbers=tuple(Place))
    for queue, at in others.items():
        print_line(f"queue {queue} last consumed {_ago(at, now)}")
    if consumed is None:
        print_line("Redis cannot be reached; messages wait in Postgres meanwhile")


def _tier(
    tier: Tier, counts: Sequence[PlaceCount], consumed: Consumed | None, now: datetime
) -> dict[str, object]:
    places = {place.value: sum(c.count for c in counts if c.place is place) for place in Place}
    return {
        "tier": tier,
        **places,
        "oldest": min((c.oldest for c in counts), default=None),
        "next_wake": min((c.next_wake for c in counts if c.next_wake), default=None),
        "last_consumed": consumed and consumed.get(tier),
    }


def _row(row: Mapping[str, object], now: datetime, *, reachable: bool) -> Sequence[object]:
    return (
        row["tier"],
        *(row[place] for place in Place),
        _ago(row["oldest"], now),
        _ahead(row["next_wake"], now),
        _ago(row["last_consumed"], now, never="never") if reachable else "?",
    )


def _ago(at: object, now: datetime, *, never: str = "-") -> str:
    return f"{format_duration(max(now - at, timedelta()))} ago" if isinstance(at, datetime) else never


def _ahead(at: object, now: datetime) -> str:
    if not isinstance(at, datetime):
        return "-"
    return f"in {format_duration(at - now)}" if at > now else f"{format_duration(now - at)} ago"
