"""Accounts: their limits and their credits."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated

from fastapi import Response
from pydantic import Field

from dispatcher.api.manage.dependencies import Ctx, NamedAccount
from dispatcher.api.manage.fields import Line, Plain, RequestModel, ResponseModel
from dispatcher.api.manage.paging import Page, Paged
from dispatcher.api.manage.problems import problems
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.domain.accounts.account import Account
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts

_PATH = f"{PREFIX}/accounts"
_ONE = f"{_PATH}/{{name}}"
router = operator_router("Accounts")
_UNKNOWN = problems(_404="No such account")
_INTEGER = 2**31 - 1


class LimitsResponse(ResponseModel):
    """What an account may not do; null is no limit of its own."""

    rate: int | None
    daily: int | None
    tier: Tier | None
    countries: list[str] | None


class AccountResponse(ResponseModel):
    """An account, with its credits as `balance`."""

    id: int
    name: str
    balance: int
    country: str | None
    timezone: str
    paused: bool
    limits: LimitsResponse


class AccountRequest(RequestModel):
    """A new account. `country` is whose local numbers it may write."""

    name: Plain
    credits: int = 0
    country: str | None = None
    timezone: str = "UTC"


class LimitsRequest(RequestModel):
    """Limits to change; what is left out stays, null takes a limit away."""

    rate: Annotated[int, Field(le=_INTEGER)] | None = Field(None, description="Requests a minute.")
    daily: Annotated[int, Field(le=_INTEGER)] | None = Field(None, description="Messages a UTC day.")
    tier: Tier | None = Field(None, description="The highest tier it gets.")
    countries: list[str] | None = Field(None, description="The only countries it may write to.")


class TopUpRequest(RequestModel):
    """Credits to add."""

    amount: int
    note: Line = ""


class BalanceResponse(ResponseModel):
    """What an account has now."""

    balance: int


class EntryResponse(ResponseModel):
    """One change of a balance: `topup`, `charge` (below zero) or `refund`."""

    id: int
    at: datetime
    kind: str
    amount: int
    batch_id: int | None
    message_id: int | None
    note: str


class SecretResponse(ResponseModel):
    """What callbacks are signed with."""

    secret: str


@router.get(_PATH)
async def list_accounts(ctx: Ctx, paging: Paged) -> Page[AccountResponse]:
    """List accounts, the oldest first."""
    return paging.page(await accounts.page(ctx, after=paging.after, limit=paging.probe), _shown)


@router.post(_PATH, status_code=201, responses=problems(_409="The name is taken"))
async def create_account(given: AccountRequest, ctx: Ctx, response: Response) -> AccountResponse:
    """Make an account."""
    made = await accounts.create(
        ctx, given.name, credits=given.credits, country=given.country, timezone=given.timezone
    )
    return _shown(made)


@router.get(_ONE, responses=_UNKNOWN)
async def show_account(account: NamedAccount) -> AccountResponse:
    """Show an account."""
    return _shown(account)


@router.patch(_ONE, responses=_UNKNOWN)
async def limit_account(given: LimitsRequest, account: NamedAccount, ctx: Ctx) -> AccountResponse:
    """Change an account's limits."""
    changes = given.model_dump(include=given.model_fields_set)
    if changes.get("countries") is not None:
        changes["countries"] = frozenset(changes["countries"])
    return _shown(await accounts.set_limits(ctx, account, replace(account.limits, **changes)))


@router.post(f"{_ONE}/pause", responses=_UNKNOWN)
async def pause_account(account: NamedAccount, ctx: Ctx) -> AccountResponse:
    """Refuse what the account submits from now on; what was accepted goes on."""
    return _shown(await accounts.pause(ctx, account))


@router.post(f"{_ONE}/resume", responses=_UNKNOWN)
async def resume_account(account: NamedAccount, ctx: Ctx) -> AccountResponse:
    """Take what the account submits again."""
    return _shown(await accounts.pause(ctx, account, paused=False))


@router.post(f"{_ONE}/topups", status_code=201, responses=_UNKNOWN)
async def top_up(given: TopUpRequest, account: NamedAccount, ctx: Ctx) -> BalanceResponse:
    """Add credits."""
    return BalanceResponse(balance=await accounts.top_up(ctx, account, given.amount, note=given.note))


@router.get(f"{_ONE}/statement", responses=_UNKNOWN)
async def statement(account: NamedAccount, ctx: Ctx, paging: Paged) -> Page[EntryResponse]:
    """Tell what changed the account's credits, the newest first."""
    found = await accounts.statement(ctx, account, before=paging.last, limit=paging.probe)
    return paging.page(found, EntryResponse.model_validate)


@router.get(f"{_ONE}/callback-secret", responses=_UNKNOWN)
async def callback_secret(account: NamedAccount, ctx: Ctx, response: Response) -> SecretResponse:
    """Tell what the account's callbacks are signed with (Standard Webhooks)."""
    response.headers["Cache-Control"] = "no-store"
    return SecretResponse(secret=await accounts.callback_secret(ctx, account))


def _shown(account: Account) -> AccountResponse:
    limits = account.limits
    countries = None if limits.countries is None else sorted(limits.countries)
    return AccountResponse(
        id=account.id,
        name=account.name,
        balance=account.balance,
        country=account.default_country,
        timezone=account.timezone,
        paused=account.paused,
        limits=LimitsResponse(rate=limits.rate, daily=limits.daily, tier=limits.tier, countries=countries),
    )
