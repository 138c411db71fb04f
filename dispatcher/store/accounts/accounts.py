"""Accounts and their senders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.accounts.account import Account, AccountLimits
from dispatcher.domain.hours.allowed_hours import AllowedHours
from dispatcher.domain.tier import Tier
from dispatcher.store.accounts import hours

_MAX_BIGINT = 2**63 - 1
_NO_SENDER = 0

COLUMNS = (
    "a.id, a.name, a.balance, a.default_country, a.timezone, a.rate_limit, a.daily_cap, a.tier_cap,"
    " a.allowed_countries, a.paused_at"
)

_INSERT = text("""
INSERT INTO accounts (name, default_country, timezone) VALUES (:name, :country, :timezone)
ON CONFLICT (name) DO NOTHING RETURNING id
""")
_BY_NAME = text(f"SELECT {COLUMNS} FROM accounts a WHERE name = :name")
_BY_ID = text(f"SELECT {COLUMNS} FROM accounts a WHERE id = :id")
_ALL = text(f"SELECT {COLUMNS} FROM accounts a ORDER BY name")
_PAGE = text(f"SELECT {COLUMNS} FROM accounts a WHERE id > :after ORDER BY id LIMIT :limit")
_LIMIT = text("""
UPDATE accounts SET rate_limit = :rate, daily_cap = :daily, tier_cap = :tier, allowed_countries = :countries
WHERE id = :id
""")
_PAUSE = text("""
UPDATE accounts SET paused_at = CASE WHEN :paused THEN coalesce(paused_at, now()) END WHERE id = :id
""")
_CALLBACK_SECRET = text("SELECT callback_secret FROM accounts WHERE id = :id")
_SENDERS = text(
    "SELECT id, name, is_default, disabled_at FROM senders WHERE account_id = :account_id ORDER BY id"
)
_SENDER_PAGE = text("""
SELECT id, name, is_default, disabled_at FROM senders
WHERE account_id = :account_id AND id > :after ORDER BY id LIMIT :limit
""")
_LOCK_SENDERS = text("""
SELECT id, name, is_default, disabled_at FROM senders WHERE account_id = :account_id ORDER BY id FOR UPDATE
""")
_DISABLE_SENDER = text("""
UPDATE senders SET disabled_at = CASE WHEN :disabled THEN coalesce(disabled_at, :now) END
WHERE account_id = :account_id AND id = :id
RETURNING id, name, is_default, disabled_at
""")
_TERMS = text("""
SELECT a.critical_validity, a.standard_validity, a.bulk_validity,
       s.id AS sender_id, s.name AS sender,
       (SELECT CAST(h.hours AS text) FROM account_hours h
        WHERE h.account_id = a.id AND h.tier = g.tier) AS hours,
       a.balance, a.daily_cap, a.counted, a.counted_on,
       EXISTS (SELECT FROM batches b WHERE b.account_id = a.id AND b.dialect = g.dialect
               AND b.external_id = g.external_id)
       OR EXISTS (SELECT FROM batches b WHERE b.public_id = g.public_id AND b.account_id = a.id
                  AND b.dialect = g.dialect) AS is_taken
FROM unnest(
    CAST(:accounts AS bigint[]), CAST(:senders AS bigint[]), CAST(:names AS text[]), CAST(:tiers AS text[]),
    CAST(:dialects AS text[]), CAST(:external_ids AS text[]), CAST(:public_ids AS uuid[])
) WITH ORDINALITY AS g(account_id, sender_id, name, tier, dialect, external_id, public_id, ord)
JOIN accounts a ON a.id = g.account_id
LEFT JOIN LATERAL (
    SELECT id, name FROM senders
    WHERE account_id = a.id AND disabled_at IS NULL
      AND CASE WHEN g.sender_id IS NOT NULL THEN id = g.sender_id
               WHEN g.name IS NOT NULL THEN name = g.name ELSE is_default END
    LIMIT 1
) s ON true
ORDER BY g.ord
""")
# Two statements, because two rows must never be the default at the same time.
_NO_DEFAULT_SENDER = text(
    "UPDATE senders SET is_default = false WHERE account_id = :account_id AND is_default AND id <> :id"
)
_MAKE_DEFAULT_SENDER = text(
    "UPDATE senders SET is_default = true WHERE account_id = :account_id AND id = :id"
)
_SENDER_NAME = text("SELECT name FROM senders WHERE id = :id")
_INSERT_SENDER = text("""
INSERT INTO senders (account_id, name, is_default)
VALUES (:account_id, :name, NOT EXISTS (SELECT 1 FROM senders WHERE account_id = :account_id AND is_default))
ON CONFLICT (account_id, name) DO NOTHING RETURNING id
""")
_SENDER = text("""
SELECT id FROM senders
WHERE account_id = :account_id AND disabled_at IS NULL
  AND CASE WHEN CAST(:id AS bigint) IS NULL THEN name = :name ELSE id = :id END
""")
_DEFAULT_SENDER = text(
    "SELECT id FROM senders WHERE account_id = :account_id AND is_default AND disabled_at IS NULL"
)


@dataclass(frozen=True, slots=True)
class TermsRequest:
    """The account, tier, sender and external id of a submission; without id and name the default sender."""

    account_id: int
    tier: Tier
    sender_id: int | None
    sender_name: str | None
    dialect: str = ""
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class AccountTerms:
    """
    The account's own validity of messages, by tier, and the sender to use, if there is one.

    `hours` are the account's own allowed hours for the tier, if it has any.
    `counted` are the messages of the day `counted_on`, under a daily cap.
    `is_taken` is whether the external id is that of a batch of the account and dialect, or its public id.
    Nothing is locked: `balance` and `counted` may change meanwhile.
    """

    validity: Mapping[Tier, timedelta]
    sender_id: int | None
    sender: str | None
    hours: AllowedHours | None
    balance: int
    daily_cap: int | None
    counted: int
    counted_on: date | None
    is_taken: bool


@dataclass(frozen=True, slots=True)
class Sender:
    """A sender ID of an account; `is_default` is for submissions that name no sender."""

    id: int
    name: str
    is_default: bool
    disabled_at: datetime | None


async def insert(connection: AsyncConnection, name: str, *, country: str | None, timezone: str) -> int | None:
    """Write an account and return its id; None means that the name is taken."""
    parameters = {"name": name, "country": country, "timezone": timezone}
    return _number(await connection.scalar(_INSERT, parameters))


async def by_name(connection: AsyncConnection, name: str) -> Account | None:
    """Return the account of this name."""
    row = (await connection.execute(_BY_NAME, {"name": name})).one_or_none()
    return None if row is None else account_of(row)


async def by_id(connection: AsyncConnection, account_id: int) -> Account:
    """Return an account that exists."""
    return account_of((await connection.execute(_BY_ID, {"id": account_id})).one())


async def list_all(connection: AsyncConnection) -> list[Account]:
    """Return all accounts, by name."""
    return [account_of(row) for row in await connection.execute(_ALL)]


async def page(connection: AsyncConnection, *, after: int, limit: int) -> list[Account]:
    """Return accounts, the oldest first, after the one with the id `after`."""
    return [account_of(row) for row in await connection.execute(_PAGE, {"after": after, "limit": limit})]


async def set_limits(connection: AsyncConnection, account_id: int, limits: AccountLimits) -> None:
    """Write the limits of an account."""
    values = {
        "id": account_id,
        "rate": limits.rate,
        "daily": limits.daily,
        "tier": limits.tier,
        "countries": None if limits.countries is None else sorted(limits.countries),
    }
    await connection.execute(_LIMIT, values)


async def set_paused(connection: AsyncConnection, account_id: int, *, paused: bool) -> None:
    """Pause an account, or end its pause."""
    await connection.execute(_PAUSE, {"id": account_id, "paused": paused})


async def callback_secret(connection: AsyncConnection, account_id: int) -> str:
    """Return the secret that an account's callbacks are signed with."""
    return str(await connection.scalar(_CALLBACK_SECRET, {"id": account_id}))


async def terms(connection: AsyncConnection, wanted: Sequence[TermsRequest]) -> list[AccountTerms]:
    """Return the terms of submissions, in the order of `wanted`."""
    values = {
        "accounts": [w.account_id for w in wanted],
        # No sender has an id beyond bigint, nor an empty name.
        "senders": [_NO_SENDER if abs(w.sender_id or 0) > _MAX_BIGINT else w.sender_id for w in wanted],
        "names": [
            w.sender_name if w.sender_name is None or w.sender_name.isprintable() else "" for w in wanted
        ],
        "tiers": [w.tier.value for w in wanted],
        "dialects": [w.dialect for w in wanted],
        "external_ids": [w.external_id for w in wanted],
        "public_ids": [_public_id(w.external_id) for w in wanted],
    }
    return [
        AccountTerms(
            validity={tier: v for tier in Tier if (v := getattr(row, f"{tier.value}_validity")) is not None},
            sender_id=row.sender_id,
            sender=row.sender,
            hours=hours.read(row.hours) if row.hours else None,
            balance=row.balance,
            daily_cap=row.daily_cap,
            counted=row.counted,
            counted_on=row.counted_on,
            is_taken=row.is_taken,
        )
        for row in await connection.execute(_TERMS, values)
    ]


async def sender_name(connection: AsyncConnection, sender_id: int) -> str:
    """Return the name of a sender that exists."""
    return str(await connection.scalar(_SENDER_NAME, {"id": sender_id}))


async def insert_sender(connection: AsyncConnection, account_id: int, name: str) -> int | None:
    """Write a sender, the account's first one as its default, and return its id; None if it exists."""
    return _number(await connection.scalar(_INSERT_SENDER, {"account_id": account_id, "name": name}))


async def senders(connection: AsyncConnection, account_id: int) -> list[Sender]:
    """Return all senders of an account, the oldest first."""
    return [Sender(*row) for row in await connection.execute(_SENDERS, {"account_id": account_id})]


async def sender_page(
    connection: AsyncConnection, account_id: int, *, after: int, limit: int
) -> list[Sender]:
    """Return senders of an account, the oldest first, after the one with the id `after`."""
    values = {"account_id": account_id, "after": after, "limit": limit}
    return [Sender(*row) for row in await connection.execute(_SENDER_PAGE, values)]


async def lock_senders(connection: AsyncConnection, account_id: int) -> list[Sender]:
    """Lock all senders of an account until the transaction ends, and return them."""
    return [Sender(*row) for row in await connection.execute(_LOCK_SENDERS, {"account_id": account_id})]


async def disable_sender(
    connection: AsyncConnection, account_id: int, sender_id: int, *, disabled: bool, now: datetime
) -> Sender | None:
    """Disable or enable a sender and return it; None means that the account has no such sender."""
    values = {"account_id": account_id, "id": sender_id, "disabled": disabled, "now": now}
    row = (await connection.execute(_DISABLE_SENDER, values)).one_or_none()
    return None if row is None else Sender(*row)


async def make_default_sender(connection: AsyncConnection, account_id: int, sender_id: int) -> None:
    """Make one of the locked senders of an account its default."""
    values = {"account_id": account_id, "id": sender_id}
    await connection.execute(_NO_DEFAULT_SENDER, values)
    await connection.execute(_MAKE_DEFAULT_SENDER, values)


async def find_sender(
    connection: AsyncConnection, account_id: int, sender_id: int | None, *, name: str | None = None
) -> int | None:
    """Return the id of a sender by its id or name, else of the default one; None if none can be used."""
    if sender_id is None and name is None:
        return _number(await connection.scalar(_DEFAULT_SENDER, {"account_id": account_id}))
    if sender_id is not None and abs(sender_id) > _MAX_BIGINT:
        return None
    values = {"account_id": account_id, "id": sender_id, "name": name}
    return _number(await connection.scalar(_SENDER, values))


def account_of(row: Row[tuple[object, ...]]) -> Account:
    """Return the account in a row that has COLUMNS."""
    countries = row.allowed_countries
    limits = AccountLimits(
        rate=row.rate_limit,
        daily=row.daily_cap,
        tier=Tier(row.tier_cap) if row.tier_cap else None,
        countries=None if countries is None else frozenset(countries),
    )
    return Account(
        row.id, row.name, row.balance, row.default_country, row.timezone, limits, row.paused_at is not None
    )


def _public_id(external_id: str | None) -> UUID | None:
    """Return the public id that an external id equals, as it is given out."""
    try:
        found = UUID(external_id or "")
    except ValueError:
        return None
    return found if str(found) == external_id else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
