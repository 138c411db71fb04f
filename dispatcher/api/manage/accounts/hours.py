"""The hours in which messages of an account may be sent, by tier."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from fastapi import Path
from pydantic import ConfigDict, Field

from dispatcher.api.manage.dependencies import Ctx, NamedAccount
from dispatcher.api.manage.fields import FromText, RequestModel, ResponseModel, Text
from dispatcher.api.manage.problems import problems
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.domain.accounts.account import Account
from dispatcher.domain.hours.allowed_hours import AllowedHours, parse_hours
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import hours
from dispatcher.service.context import Context

_PATH = f"{PREFIX}/accounts/{{name}}/hours"
_ONE = f"{_PATH}/{{tier}}"
router = operator_router("Allowed hours")
_UNKNOWN = problems(_404="No such account")

OfTier = Annotated[Tier, Path(description="critical, standard or bulk.")]


class HoursRequest(RequestModel):
    """
    Hours by weekday: `{"mon-fri": ["08:00-20:00"], "sat": ["10:00-18:00"]}`.

    They are in the recipient's local time, or in that of `zone`; nothing is sent on
    `holidays`.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, list[Text]]

    holidays: list[FromText[date]] = Field(default_factory=list)
    zone: Text | None = None

    def read(self) -> AllowedHours:
        """Return the hours. Raises Invalid."""
        return parse_hours(self.model_dump(mode="json"))


class HoursResponse(ResponseModel):
    """Hours by weekday, as in a request."""

    model_config = ConfigDict(from_attributes=True, frozen=True, extra="allow")
    __pydantic_extra__: dict[str, list[str]]

    holidays: list[date]
    zone: str | None


class TierHoursResponse(ResponseModel):
    """The hours of a tier: the account's own, else those of the settings; null: at any time."""

    tier: Tier
    is_own: bool
    hours: HoursResponse | None


class AllHoursResponse(ResponseModel):
    """The hours of each tier."""

    items: list[TierHoursResponse]


@router.get(_PATH, responses=_UNKNOWN)
async def show_all_hours(account: NamedAccount, ctx: Ctx) -> AllHoursResponse:
    """Return the hours of all tiers."""
    return await _response(ctx, account, list(Tier))


@router.put(_PATH, responses=_UNKNOWN)
async def set_all_hours(body: HoursRequest, account: NamedAccount, ctx: Ctx) -> AllHoursResponse:
    """Set the hours of standard and bulk messages; those of critical messages are set at their own path."""
    await hours.set(ctx, account, hours.DEFAULT_TIERS, body.read())
    return await _response(ctx, account, list(Tier))


@router.delete(_PATH, status_code=204, responses=_UNKNOWN)
async def clear_all_hours(account: NamedAccount, ctx: Ctx) -> None:
    """Remove the account's own hours for standard and bulk messages."""
    await hours.set(ctx, account, hours.DEFAULT_TIERS, None)


@router.get(_ONE, responses=_UNKNOWN)
async def show_hours(tier: OfTier, account: NamedAccount, ctx: Ctx) -> TierHoursResponse:
    """Return the hours of a tier."""
    return (await _response(ctx, account, [tier])).items[0]


@router.put(_ONE, responses=_UNKNOWN)
async def set_hours(body: HoursRequest, tier: OfTier, account: NamedAccount, ctx: Ctx) -> TierHoursResponse:
    """Set the hours of a tier; they apply to waiting messages when those are due."""
    await hours.set(ctx, account, [tier], body.read())
    return (await _response(ctx, account, [tier])).items[0]


@router.delete(_ONE, status_code=204, responses=_UNKNOWN)
async def clear_hours(tier: OfTier, account: NamedAccount, ctx: Ctx) -> None:
    """Remove the account's own hours for a tier."""
    await hours.set(ctx, account, [tier], None)


async def _response(ctx: Context, account: Account, tiers: Sequence[Tier]) -> AllHoursResponse:
    applied, own = await hours.of_account(ctx, account), await hours.own(ctx, account)
    return AllHoursResponse(
        items=[
            TierHoursResponse(
                tier=tier,
                is_own=tier in own,
                hours=HoursResponse.model_validate(applied[tier].as_dict()) if tier in applied else None,
            )
            for tier in tiers
        ]
    )
