"""The names of the audience, template and sender of a campaign, which stores their ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class CampaignNames:
    """The names in a campaign. `template_id` is None once the template was removed."""

    audience_id: UUID
    audience: str
    recipients: int
    template_id: str | None
    sender: str


_NAMES = text("""
SELECT c.id, a.public_id AS audience_id, a.name AS audience, a.recipients, t.public_id AS template_id,
       s.name AS sender
FROM campaigns c
JOIN audiences a ON a.id = c.audience_id
JOIN senders s ON s.id = c.sender_id
LEFT JOIN templates t ON t.id = c.template_id AND t.removed_at IS NULL
WHERE c.id = ANY(CAST(:ids AS bigint[]))
""")
_OF_CAMPAIGNS = text("SELECT name FROM campaigns WHERE account_id = :account_id ORDER BY id DESC LIMIT 1000")
_PUBLIC_ID = text("SELECT public_id FROM campaigns WHERE account_id = :account_id AND name = :name")


async def names(connection: AsyncConnection, campaign_ids: Sequence[int]) -> dict[int, CampaignNames]:
    """Return the names in each of these campaigns, by the campaign's id."""
    rows = await connection.execute(_NAMES, {"ids": list(campaign_ids)})
    return {
        row.id: CampaignNames(row.audience_id, row.audience, row.recipients, row.template_id, row.sender)
        for row in rows
    }


async def of_campaigns(connection: AsyncConnection, account_id: int) -> list[str]:
    """Return the names of an account's campaigns, at most the newest thousand."""
    return list((await connection.scalars(_OF_CAMPAIGNS, {"account_id": account_id})).all())


async def public_id(connection: AsyncConnection, account_id: int, name: str) -> UUID | None:
    """Return the public id of the account's campaign of this name."""
    found: UUID | None = await connection.scalar(_PUBLIC_ID, {"account_id": account_id, "name": name})
    return found
