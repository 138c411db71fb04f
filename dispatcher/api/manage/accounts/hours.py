"""The hours in which messages of an account may go out, by tier."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from fastapi import Path
from pydantic import ConfigDict, Field

from dispatcher.api.manage.dependencies import Ctx, NamedAccount
from dispatcher.api.manage.fields import Plain, RequestModel, ResponseModel
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

    They count by the recipient's clock, or by that of `zone`; nothing goes
    out on `holidays`.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, list[Plain]]

    holidays: list[date] = Field(default_factory=list)
    zone: Plain | None = None

    def read(self) -> AllowedHours:
        """Read them. Raises Invalid."""
        return parse_hours(self.model_dump(mode="json"))


class HoursResponse(ResponseModel):
    """Hours by weekday, as they are given."""

    model_config = ConfigDict(from_attributes=True, frozen=True, extra="allow")
    __pydantic_extra__: dict[str, list[str]]

    holidays: list[date]
    zone: str | None


class TierHoursResponse(ResponseModel):
    """What applies to a tier: hours of the account's own, else of the settings; null is at any time."""

    tier: Tier
    is_own: bool
    hours: HoursResponse | None


class AllHoursResponse(ResponseModel):
    """What applies to each tier."""

    items: list[TierHoursResponse]


@router.get(_PATH, responses=_UNKNOWN)
async def show_all_hours(account: NamedAccount, ctx: Ctx) -> AllHoursResponse:
    """Show the hours of all tiers."""
    return await _shown(ctx, account, list(Tier))


@router.put(_PATH, responses=_UNKNOWN)
async def set_all_hours(given: HoursRequest, account: NamedAccount, ctx: Ctx) -> AllHoursResponse:
    """Give standard and bulk messages hours; critical ones have theirs at their own path only."""
    await hours.set(ctx, account, hours.DEFAULT_TIERS, given.read())
    return await _shown(ctx, account, list(Tier))


@router.delete(_PATH, status_code=204, responses=_UNKNOWN)
async def clear_all_hours(account: NamedAccount, ctx: Ctx) -> None:
    """Take the account's own hours of standard and bulk messages away."""
    await hours.set(ctx, account, hours.DEFAULT_TIERS, None)


@router.get(_ONE, responses=_UNKNOWN)
async def show_hours(tier: OfTier, account: NamedAccount, ctx: Ctx) -> TierHoursResponse:
    """Show the hours of a tier."""
    return (await _shown(ctx, account, [tier])).items[0]


@router.put(_ONE, responses=_UNKNOWN)
async def set_hours(given: HoursRequest, tier: OfTier, account: NamedAccount, ctx: Ctx) -> TierHoursResponse:
    """Give a tier hours; what waits goes by them when its turn comes."""
    await hours.set(ctx, account, [tier], given.read())
    return (await _shown(ctx, account, [tier])).items[0]


@router.delete(_ONE, status_code=204, responses=_UNKNOWN)
async def clear_hours(tier: OfTier, account: NamedAccount, ctx: Ctx) -> None:
    """Take the account's own hours of a tier away."""
    await hours.set(ctx, account, [tier], None)


async def _shown(ctx: Context, account: Account, tiers: Sequence[Tier]) -> AllHoursResponse:
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
