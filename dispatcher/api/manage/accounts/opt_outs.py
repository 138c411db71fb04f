"""Opt-outs: the numbers that an account, or one of its senders, must not send to."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import Field

from dispatcher.api.manage.dependencies import Ctx, NamedAccount
from dispatcher.api.manage.fields import RequestModel, ResponseModel, ShortText, Text
from dispatcher.api.manage.paging import Page, Paged
from dispatcher.api.manage.problems import problems
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.service.accounts import opt_outs

_PATH = f"{PREFIX}/accounts/{{name}}/opt-outs"
router = operator_router("Opt-outs")
_MAX_NUMBERS = 1000  # parsing them blocks other requests


class OptOutResponse(ResponseModel):
    """A number that has opted out; `sender` null: of all messages of the account."""

    id: int
    number: str
    sender: str | None
    reason: str
    at: datetime


class OptOutsRequest(RequestModel):
    """Numbers to opt out, of one sender or of all messages of the account."""

    numbers: list[Text] = Field(min_length=1, max_length=_MAX_NUMBERS)
    sender: Text | None = None
    reason: ShortText = ""


class AddedResponse(ResponseModel):
    """How many of the numbers had not opted out before."""

    added: int


@router.get(_PATH, responses=problems(_404="No such account"))
async def list_opt_outs(account: NamedAccount, ctx: Ctx, paging: Paged) -> Page[OptOutResponse]:
    """List the numbers that have opted out, the oldest first."""
    found = await opt_outs.page(ctx, account, after=paging.after, limit=paging.probe)
    return paging.page(found, OptOutResponse.model_validate)


@router.post(_PATH, status_code=201, responses=problems(_404="No such account or sender"))
async def add_opt_outs(body: OptOutsRequest, account: NamedAccount, ctx: Ctx) -> AddedResponse:
    """Add opt-outs. Scheduled messages to these numbers end with status 26 when they are due."""
    added = await opt_outs.add(ctx, account, body.numbers, sender=body.sender, reason=body.reason)
    return AddedResponse(added=added)


@router.delete(
    _PATH,
    status_code=204,
    responses=problems(_404="No such account or sender, or the number has not opted out"),
)
async def remove_opt_out(
    number: Annotated[Text, Query(description="In the query and not in the path, because paths are logged.")],
    account: NamedAccount,
    ctx: Ctx,
    sender: Annotated[Text | None, Query()] = None,
) -> None:
    """Remove an opt-out."""
    await opt_outs.remove(ctx, account, number, sender=sender)
