"""Finding a message or a batch by any id that was ever given out for it."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


class IdKind(StrEnum):
    """What an id is; the members are in the order in which they take precedence."""

    MESSAGE_NUMBER = "number of a message"
    MESSAGE_PUBLIC_ID = "public id of a message"
    BATCH_PUBLIC_ID = "public id of a batch"
    BATCH_NUMBER = "number of a batch"
    EXTERNAL_ID = "external id of a batch"
    PROVIDER_REFERENCE = "reference of a message at its provider"


@dataclass(frozen=True, slots=True)
class IdMatch:
    """What an id stands for; `message_id` is None for a batch."""

    kind: IdKind
    batch_id: int
    message_id: int | None


# A loose index scan over the providers, also those that were removed from the settings.
_FIND = text(f"""
WITH RECURSIVE known AS (
    (SELECT provider FROM provider_references ORDER BY provider LIMIT 1)
    UNION ALL
    SELECT (SELECT r.provider FROM provider_references r WHERE r.provider > k.provider
            ORDER BY r.provider LIMIT 1)
    FROM known k WHERE k.provider IS NOT NULL
)
SELECT '{IdKind.MESSAGE_NUMBER}' AS kind, batch_id, id AS message_id FROM messages
WHERE id = CAST(:number AS bigint)
UNION ALL
SELECT '{IdKind.MESSAGE_PUBLIC_ID}', batch_id, message_id FROM message_lookup
WHERE public_id = CAST(:public_id AS uuid)
UNION ALL
SELECT '{IdKind.BATCH_PUBLIC_ID}', id, NULL FROM batches WHERE public_id = CAST(:public_id AS uuid)
UNION ALL
SELECT '{IdKind.BATCH_NUMBER}', id, NULL FROM batches WHERE id = CAST(:number AS bigint)
UNION ALL
SELECT '{IdKind.EXTERNAL_ID}', b.id, NULL
FROM accounts a JOIN batches b ON b.account_id = a.id AND b.external_id = :typed
UNION ALL
SELECT '{IdKind.PROVIDER_REFERENCE}', m.batch_id, m.id
FROM known k JOIN provider_references r ON r.provider = k.provider AND r.ref = :typed
JOIN messages m ON m.id = r.message_id
""")


async def find(
    connection: AsyncConnection, typed: str, *, number: int | None, public_id: UUID | None
) -> list[IdMatch]:
    """Return everything that an id stands for, in the order of IdKind."""
    values = {"typed": typed, "number": number, "public_id": public_id}
    found = [
        IdMatch(IdKind(row.kind), row.batch_id, row.message_id)
        for row in await connection.execute(_FIND, values)
    ]
    return sorted(found, key=lambda match: (list(IdKind).index(match.kind), -match.batch_id))
