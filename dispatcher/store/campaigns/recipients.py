"""The recipients of an audience, read by groups of time zones."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.store.campaigns.audiences import Recipient

# A few recipients of each group of zones, in the order of the groups.
_RECIPIENTS = text("""
SELECT r.position, r.number, r.number_as_given, r.country, r.zone, r.variables
FROM unnest(CAST(:zones AS smallint[]), CAST(:afters AS integer[]), CAST(:limits AS integer[]))
     WITH ORDINALITY AS g(zone, after, most, ord)
CROSS JOIN LATERAL (
    SELECT * FROM recipients
    WHERE audience_id = :audience_id AND zone = g.zone AND position > g.after
    ORDER BY audience_id, zone, position LIMIT g.most
) r
ORDER BY g.ord, r.position
""")
_PAGE = text("""
SELECT position, number, number_as_given, country, zone, variables FROM recipients
WHERE audience_id = :audience_id AND position > :after ORDER BY position LIMIT :limit
""")


async def read_groups(
    connection: AsyncConnection, audience_id: int, wanted: Sequence[tuple[int, int, int]]
) -> list[Recipient]:
    """Return recipients; `wanted` has, for each group of zones, the position to start after and a limit."""
    values = {
        "audience_id": audience_id,
        "zones": [zone for zone, _, _ in wanted],
        "afters": [after for _, after, _ in wanted],
        "limits": [limit for _, _, limit in wanted],
    }
    return [Recipient(*row) for row in await connection.execute(_RECIPIENTS, values)]


async def page(connection: AsyncConnection, audience_id: int, *, after: int, limit: int) -> list[Recipient]:
    """Return recipients in the order of the file, after the position `after`."""
    values = {"audience_id": audience_id, "after": after, "limit": limit}
    return [Recipient(*row) for row in await connection.execute(_PAGE, values)]
