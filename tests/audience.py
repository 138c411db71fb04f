"""Helpers for tests: audiences written directly into their tables."""

import json
from collections.abc import Mapping, Sequence
from uuid import uuid4

from tests.world import World

PARIS, NEW_YORK, NAIROBI = "Europe/Paris", "America/New_York", "Africa/Nairobi"


def kenyan(count: int) -> list[str]:
    return [f"+2547{n:08}" for n in range(count)]


async def audience(
    world: World,
    recipients: Sequence[str] | int = 3,
    *,
    zones: Sequence[str] = (NAIROBI,),
    variables: Mapping[str, str] | None = None,
    country: str = "KE",
    account_id: int | None = None,
) -> str:
    """Create an audience whose recipients are in the zone groups in turn, and return its public id."""
    numbers = kenyan(recipients) if isinstance(recipients, int) else recipients
    public_id = uuid4()
    counts = [len(range(group, len(numbers), len(zones))) for group in range(len(zones))]
    await world.all(
        """
        WITH a AS (
            INSERT INTO audiences (public_id, account_id, name, state, columns, rows, recipients, zones,
                                   zone_counts, ready_at)
            VALUES (:public_id, :account_id, CAST(:public_id AS text), 'ready', :columns, :total, :total,
                    CAST(:zones AS text[]), CAST(:counts AS integer[]), now())
            RETURNING id
        )
        INSERT INTO recipients (audience_id, position, line, number, number_as_given, country, zone,
                                variables)
        SELECT a.id, n.ord, n.ord + 1, n.number, n.number, :country,
               (n.ord - 1) % cardinality(CAST(:zones AS text[])), CAST(:variables AS jsonb)
        FROM a, unnest(CAST(:numbers AS text[])) WITH ORDINALITY AS n(number, ord)
        """,
        public_id=public_id,
        account_id=account_id or world.caller.account.id,
        columns=list(variables or {}),
        total=len(numbers),
        zones=list(zones),
        counts=counts,
        country=country,
        variables=json.dumps(variables or {}),
        numbers=list(numbers),
    )
    return str(public_id)
