"""The secrets that sign the callbacks of an account, and their rotation."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class CallbackSecrets:
    """The secret of an account, and the one before it, which also signs until `previous_until`."""

    current: str
    previous: str | None = None
    previous_until: datetime | None = None


_VALID = """callback_secret AS current,
       CASE WHEN previous_secret_until > :now THEN previous_callback_secret END AS previous,
       CASE WHEN previous_secret_until > :now THEN previous_secret_until END AS previous_until"""
_FIND = text(f"SELECT {_VALID} FROM accounts WHERE id = :id")
_ROTATE = text(f"""
UPDATE accounts
SET callback_secret = DEFAULT,
    previous_callback_secret = CASE WHEN :until > CAST(:now AS timestamptz) THEN callback_secret END,
    previous_secret_until = CASE WHEN :until > CAST(:now AS timestamptz) THEN :until END
WHERE id = :id
  AND (CAST(:until AS timestamptz) <= :now OR previous_secret_until IS NULL OR previous_secret_until <= :now)
RETURNING {_VALID}
""")


async def find(connection: AsyncConnection, account_id: int, *, now: datetime) -> CallbackSecrets:
    """Return the secrets of an account that sign now."""
    row = (await connection.execute(_FIND, {"id": account_id, "now": now})).one()
    return CallbackSecrets(**row._mapping)


async def rotate(
    connection: AsyncConnection, account_id: int, *, until: datetime, now: datetime
) -> CallbackSecrets | None:
    """
    Make a new secret, with which the present one signs until then, and return both.

    None means that an earlier one still signs, and nothing was changed; this
    is no obstacle if `until` is not after `now`, which ends all others.
    """
    found = await connection.execute(_ROTATE, {"id": account_id, "until": until, "now": now})
    row = found.one_or_none()
    return None if row is None else CallbackSecrets(**row._mapping)
