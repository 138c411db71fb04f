"""Operators' overrides of providers: all are kept, and the last one of each provider is in force."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.routing.provider_state import Override


@dataclass(frozen=True, slots=True)
class SetOverride:
    """An override, with its reason, its time and the operator."""

    override: Override
    reason: str
    at: datetime
    by: str


_COLUMNS = 'provider, "order", reason, set_at, set_by'
_CURRENT = text(f"SELECT DISTINCT ON (provider) {_COLUMNS} FROM provider_orders ORDER BY provider, id DESC")
_HISTORY = text(
    f"SELECT {_COLUMNS} FROM provider_orders WHERE provider = :provider ORDER BY id DESC LIMIT :limit"
)
_INSERT = text("""
INSERT INTO provider_orders (provider, "order", reason, set_by)
VALUES (:provider, :order, :reason, :by)
""")
_COUNT_IN_CALLS = text(
    "SELECT provider, count(*) AS n FROM messages WHERE place = 'worker' GROUP BY provider"
)


async def current(connection: AsyncConnection) -> Mapping[str, SetOverride]:
    """Return the override in force of each provider that ever had one."""
    return {row.provider: _override(row) for row in await connection.execute(_CURRENT)}


async def history(connection: AsyncConnection, provider: str, *, limit: int) -> list[SetOverride]:
    """Return the last overrides of a provider, the newest first."""
    rows = await connection.execute(_HISTORY, {"provider": provider, "limit": limit})
    return [_override(row) for row in rows]


async def insert(
    connection: AsyncConnection, provider: str, override: Override, *, reason: str, by: str
) -> None:
    """Write a new override of a provider."""
    values = {"provider": provider, "order": override.value, "reason": reason, "by": by}
    await connection.execute(_INSERT, values)


async def count_in_calls(connection: AsyncConnection) -> Mapping[str, int]:
    """Return how many messages are in a call of each provider now."""
    return {row.provider: row.n for row in await connection.execute(_COUNT_IN_CALLS)}


def _override(row: Row[tuple[object, ...]]) -> SetOverride:
    return SetOverride(Override(row.order), row.reason, row.set_at, row.set_by)
