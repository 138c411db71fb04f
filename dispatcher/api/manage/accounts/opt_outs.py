"""The numbers that an account, or one of its senders, must not write to."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import Field

from dispatcher.api.manage.dependencies import Ctx, NamedAccount
from dispatcher.api.manage.fields import Line, Plain, RequestModel, ResponseModel
from dispatcher.api.manage.paging import Page, Paged
from dispatcher.api.manage.problems import problems
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.service.accounts import opt_outs

_PATH = f"{PREFIX}/accounts/{{name}}/opt-outs"
router = operator_router("Opt-outs")
_MOST = 1000  # each is parsed, and others wait for that


class OptOutResponse(ResponseModel):
    """A number that has opted out; `sender` null means of all that the account sends."""

    id: int
    number: str
    sender: str | None
    reason: str
    at: datetime


class OptOutsRequest(RequestModel):
    """Numbers to opt out; of one sender, or of all that the account sends."""

    numbers: list[Plain] = Field(min_length=1, max_length=_MOST)
    sender: Plain | None = None
    reason: Line = ""


class AddedResponse(ResponseModel):
    """How many were not on the list before."""

    added: int


@router.get(_PATH, responses=problems(_404="No such account"))
async def list_opt_outs(account: NamedAccount, ctx: Ctx, paging: Paged) -> Page[OptOutResponse]:
    """List who has opted out, the oldest first."""
    found = await opt_outs.page(ctx, account, after=paging.after, limit=paging.probe)
    return paging.page(found, OptOutResponse.model_validate)


@router.post(_PATH, status_code=201, responses=problems(_404="No such account or sender"))
async def add_opt_outs(given: OptOutsRequest, account: NamedAccount, ctx: Ctx) -> AddedResponse:
    """Opt numbers out. What waits for its time is ended with 26 when its turn comes."""
    added = await opt_outs.add(ctx, account, given.numbers, sender=given.sender, reason=given.reason)
    return AddedResponse(added=added)


@router.delete(
    _PATH,
    status_code=204,
    responses=problems(_404="No such account or sender, or not on the list"),
)
async def remove_opt_out(
    number: Annotated[Plain, Query(description="In a query, and in no path, for paths are logged.")],
    account: NamedAccount,
    ctx: Ctx,
    sender: Annotated[Plain | None, Query()] = None,
) -> None:
    """Let a number be written to again."""
    await opt_outs.remove(ctx, account, number, sender=sender)
