"""What operators ordered of providers: each order is kept, the last one of a provider counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.routing.provider_state import Override


@dataclass(frozen=True, slots=True)
class SetOverride:
    """An order, why and when it was given, and by whom."""

    override: Override
    reason: str
    at: datetime
    by: str


_COLUMNS = 'provider, "order", reason, set_at, set_by'
_LAST = text(f"SELECT DISTINCT ON (provider) {_COLUMNS} FROM provider_orders ORDER BY provider, id DESC")
_STORY = text(
    f"SELECT {_COLUMNS} FROM provider_orders WHERE provider = :provider ORDER BY id DESC LIMIT :limit"
)
_SET = text("""
INSERT INTO provider_orders (provider, "order", reason, set_by)
VALUES (:provider, :order, :reason, :by)
""")
_OUT = text("SELECT provider, count(*) AS n FROM messages WHERE place = 'worker' GROUP BY provider")


async def current(connection: AsyncConnection) -> Mapping[str, SetOverride]:
    """Read what is ordered of each provider that ever had an order."""
    return {row.provider: _ordered(row) for row in await connection.execute(_LAST)}


async def history(connection: AsyncConnection, provider: str, *, limit: int) -> list[SetOverride]:
    """Read a provider's last orders, the newest first."""
    rows = await connection.execute(_STORY, {"provider": provider, "limit": limit})
    return [_ordered(row) for row in rows]


async def insert(  # it is called `orders.set`
    connection: AsyncConnection, provider: str, order: Override, *, reason: str, by: str
) -> None:
    """Order something of a provider from now on."""
    values = {"provider": provider, "order": order.value, "reason": reason, "by": by}
    await connection.execute(_SET, values)


async def count_in_calls(connection: AsyncConnection) -> Mapping[str, int]:
    """Count the messages that are with a provider at this moment, in a call that has not ended."""
    return {row.provider: row.n for row in await connection.execute(_OUT)}


def _ordered(row: Row[tuple[object, ...]]) -> SetOverride:
    return SetOverride(Override(row.order), row.reason, row.set_at, row.set_by)
