"""The digests of all secrets that are in use, and the names of all console logins."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.accounts.credential import CredentialKind

# A refresh token that was used already is among them: who presents it again shows that it was stolen.
_DIGESTS = text("""
(SELECT digest FROM credentials WHERE digest IS NOT NULL AND revoked_at IS NULL
 ORDER BY greatest(created_at, last_used_at) DESC LIMIT :limit)
UNION ALL
(SELECT refresh_digest FROM tokens
 WHERE refresh_digest IS NOT NULL AND refresh_until > :now AND revoked_at IS NULL
 ORDER BY refresh_until DESC LIMIT :limit)
""")
_LOGINS = text("SELECT name FROM credentials WHERE kind = :console AND revoked_at IS NULL LIMIT :limit")


@dataclass(frozen=True, slots=True)
class SecretsInUse:
    """The digests of secrets, those of refresh tokens among them, and the names of console logins."""

    digests: Collection[bytes]
    logins: Collection[str]


async def read(connection: AsyncConnection, *, now: datetime, limit: int) -> SecretsInUse:
    """Return the secrets in use, the latest `limit` of each table."""
    digests = await connection.scalars(_DIGESTS, {"now": now, "limit": limit})
    found = frozenset(bytes(digest) for digest in digests)
    logins = await connection.scalars(_LOGINS, {"console": CredentialKind.CONSOLE, "limit": limit})
    return SecretsInUse(found, frozenset(logins))
