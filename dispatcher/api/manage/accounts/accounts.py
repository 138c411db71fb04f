"""Accounts: their limits and their credits."""

from dataclasses import replace
from datetime import datetime, timedelta

from fastapi import Response
from pydantic import Field

from dispatcher.api.manage.dependencies import Ctx, NamedAccount
from dispatcher.api.manage.fields import FromText, RequestModel, ResponseModel, ShortText, Text
from dispatcher.api.manage.paging import Page, Paged
from dispatcher.api.manage.problems import problems
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.domain.accounts.account import Account
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts, callback_secrets
from dispatcher.service.accounts.accounts import MAX_COUNT, MAX_CREDITS
from dispatcher.service.accounts.callback_secrets import LONGEST_OVERLAP, OVERLAP, CallbackSecrets

_PATH = f"{PREFIX}/accounts"
_ONE = f"{_PATH}/{{name}}"
router = operator_router("Accounts")
_UNKNOWN = problems(_404="No such account")


class LimitsResponse(ResponseModel):
    """The limits of an account; null: no limit of its own."""

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
    """A new account. `country`: numbers may be in the national format of this country."""

    name: Text
    credits: int = Field(0, ge=0, le=MAX_CREDITS)
    country: Text | None = None
    timezone: Text = "UTC"


class LimitsRequest(RequestModel):
    """Limits to change; a limit that is left out stays, null removes it."""

    rate: int | None = Field(None, ge=1, le=MAX_COUNT, description="Requests per minute.")
    daily: int | None = Field(None, ge=0, le=MAX_COUNT, description="Messages per day (UTC).")
    tier: FromText[Tier] | None = Field(None, description="The highest tier it may use.")
    countries: list[Text] | None = Field(None, description="The only countries it may send to.")


class TopUpRequest(RequestModel):
    """Credits to add."""

    amount: int = Field(ge=1, le=MAX_CREDITS)
    note: ShortText = ""


class BalanceResponse(ResponseModel):
    """The balance of an account."""

    balance: int


class LedgerEntryResponse(ResponseModel):
    """
    One change of a balance.

    `kind` is `topup`, `charge` (below zero), `adjust` (another text, below zero if it costs
    more) or `refund`.
    """

    id: int
    at: datetime
    kind: str
    amount: int
    batch_id: int | None
    message_id: int | None
    note: str


class SecretResponse(ResponseModel):
    """The key that signs callbacks, and the one before it, which signs too until `previous_until`."""

    secret: str
    previous: str | None
    previous_until: datetime | None


class RotationRequest(RequestModel):
    """How long the present key signs beside the new one; 0 if it became known."""

    overlap_seconds: int = Field(int(OVERLAP.total_seconds()), ge=0, le=int(LONGEST_OVERLAP.total_seconds()))


@router.get(_PATH)
async def list_accounts(ctx: Ctx, paging: Paged) -> Page[AccountResponse]:
    """List accounts, the oldest first."""
    return paging.page(await accounts.page(ctx, after=paging.after, limit=paging.probe), _response)


@router.post(_PATH, status_code=201, responses=problems(_409="The name is taken"))
async def create_account(body: AccountRequest, ctx: Ctx, response: Response) -> AccountResponse:
    """Create an account."""
    made = await accounts.create(
        ctx, body.name, credits=body.credits, country=body.country, timezone=body.timezone
    )
    return _response(made)


@router.get(_ONE, responses=_UNKNOWN)
async def show_account(account: NamedAccount) -> AccountResponse:
    """Return an account."""
    return _response(account)


@router.patch(_ONE, responses=_UNKNOWN)
async def limit_account(body: LimitsRequest, account: NamedAccount, ctx: Ctx) -> AccountResponse:
    """Change an account's limits."""
    changes = body.model_dump(include=body.model_fields_set)
    if changes.get("countries") is not None:
        changes["countries"] = frozenset(changes["countries"])
    return _response(await accounts.set_limits(ctx, account, replace(account.limits, **changes)))


@router.post(f"{_ONE}/pause", responses=_UNKNOWN)
async def pause_account(account: NamedAccount, ctx: Ctx) -> AccountResponse:
    """Refuse new submissions of the account; messages already accepted are sent."""
    return _response(await accounts.pause(ctx, account))


@router.post(f"{_ONE}/resume", responses=_UNKNOWN)
async def resume_account(account: NamedAccount, ctx: Ctx) -> AccountResponse:
    """Accept submissions of the account again."""
    return _response(await accounts.pause(ctx, account, paused=False))


@router.post(f"{_ONE}/topups", status_code=201, responses=_UNKNOWN)
async def top_up(body: TopUpRequest, account: NamedAccount, ctx: Ctx) -> BalanceResponse:
    """Add credits."""
    return BalanceResponse(balance=await accounts.top_up(ctx, account, body.amount, note=body.note))


@router.get(f"{_ONE}/statement", responses=_UNKNOWN)
async def statement(account: NamedAccount, ctx: Ctx, paging: Paged) -> Page[LedgerEntryResponse]:
    """List the changes of the account's balance, the newest first."""
    found = await accounts.statement(ctx, account, before=paging.last, limit=paging.probe)
    return paging.page(found, LedgerEntryResponse.model_validate)


@router.get(f"{_ONE}/callback-secret", responses=_UNKNOWN)
async def callback_secret(account: NamedAccount, ctx: Ctx, response: Response) -> SecretResponse:
    """Return the key that signs the account's callbacks (Standard Webhooks)."""
    return _secrets(await callback_secrets.find(ctx, account), response)


@router.post(
    f"{_ONE}/callback-secret/rotate",
    responses=problems(_404="No such account", _409="The last rotation is not over"),
)
async def rotate_callback_secret(
    body: RotationRequest, account: NamedAccount, ctx: Ctx, response: Response
) -> SecretResponse:
    """Make a new key. Callbacks have two signatures until the present one ends."""
    overlap = timedelta(seconds=body.overlap_seconds)
    return _secrets(await callback_secrets.rotate(ctx, account, overlap=overlap), response)


def _secrets(found: CallbackSecrets, response: Response) -> SecretResponse:
    response.headers["Cache-Control"] = "no-store"
    return SecretResponse(secret=found.current, previous=found.previous, previous_until=found.previous_until)


def _response(account: Account) -> AccountResponse:
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
