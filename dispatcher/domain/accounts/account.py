"""An account, the limits on it, and the caller that acts for it."""

from dataclasses import dataclass
from uuid import UUID

from dispatcher.domain.tier import Tier


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """
    The limits of an account; None means that the account has no limit of its own.

    `rate` is requests a minute in each dialect, `daily` messages a UTC
    day. `tier` is the most urgent tier that the account may use, and
    `countries` are the only ones that it may send to.
    """

    rate: int | None = None
    daily: int | None = None
    tier: Tier | None = None
    countries: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """A customer of the dispatcher, with the fields that the use cases need."""

    id: int
    name: str
    balance: int
    default_country: str | None
    timezone: str
    limits: AccountLimits = AccountLimits()
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """
    The account that makes a request, and its dialect. External ids are unique in an account and dialect.

    Messages of a test credential reach only providers that take tests, and
    cost nothing. `scopes` are those of a token; None means that all is
    allowed. `token_family` is the family of the token, None for a login.
    """

    account: Account
    dialect: str
    credential_id: int = 0
    is_test: bool = False
    scopes: frozenset[str] | None = None
    token_family: UUID | None = None
