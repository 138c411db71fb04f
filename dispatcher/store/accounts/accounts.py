"""Accounts, and the terms of their submissions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
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
