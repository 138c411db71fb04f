"""Audiences as a campaign reads them: what is known of the whole, and its recipients group by group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.campaign import AudienceState


@dataclass(frozen=True, slots=True)
class Audience:
    """A list of recipients; `zones` are its groups of time zones, `zone_counts` how many are in each."""

    id: int
    public_id: UUID
    name: str
    state: AudienceState
    columns: Sequence[str]
    recipients: int
    zones: Sequence[str]
    zone_counts: Sequence[int]


class Recipient(NamedTuple):
    """One of an audience, at its position, in a group of its zones."""

    position: int
    zone: int
    number: str
    number_as_given: str
    country: str
    variables: Mapping[str, str]


_AUDIENCE_COLUMNS = "id, public_id, name, state, columns, recipients, zones, zone_counts"
_AUDIENCE = text(f"SELECT {_AUDIENCE_COLUMNS} FROM audiences WHERE id = :id")
_NAMED_AUDIENCE = text(f"""
SELECT {_AUDIENCE_COLUMNS} FROM audiences WHERE account_id = :account_id AND public_id = :public_id FOR SHARE
""")
# Some of each group of zones, in the groups' order.
_RECIPIENTS = text("""
SELECT r.position, r.zone, r.number, r.number_as_given, r.country, r.variables
FROM unnest(CAST(:zones AS smallint[]), CAST(:afters AS integer[]), CAST(:limits AS integer[]))
     WITH ORDINALITY AS g(zone, after, most, ord)
CROSS JOIN LATERAL (
    SELECT * FROM recipients
    WHERE audience_id = :audience_id AND zone = g.zone AND position > g.after
    ORDER BY audience_id, zone, position LIMIT g.most
) r
ORDER BY g.ord, r.position
""")


async def audience(connection: AsyncConnection, audience_id: int) -> Audience:
    """Read the audience of a campaign."""
    return _audience((await connection.execute(_AUDIENCE, {"id": audience_id})).one())


async def find_audience(connection: AsyncConnection, account_id: int, public_id: UUID) -> Audience | None:
    """Find an audience of this account, and keep it from being removed until the transaction ends."""
    values = {"account_id": account_id, "public_id": public_id}
    row = (await connection.execute(_NAMED_AUDIENCE, values)).one_or_none()
    return None if row is None else _audience(row)


async def recipients(
    connection: AsyncConnection, audience_id: int, wanted: Sequence[tuple[int, int, int]]
) -> list[Recipient]:
    """Read recipients; what is wanted is, of each group of zones, so many after a position."""
    values = {
        "audience_id": audience_id,
        "zones": [zone for zone, _, _ in wanted],
        "afters": [after for _, after, _ in wanted],
        "limits": [limit for _, _, limit in wanted],
    }
    return [Recipient(*row) for row in await connection.execute(_RECIPIENTS, values)]


def _audience(row: Row[Any]) -> Audience:
    return Audience(
        row.id,
        row.public_id,
        row.name,
        AudienceState(row.state),
        row.columns,
        row.recipients,
        row.zones,
        row.zone_counts,
    )
