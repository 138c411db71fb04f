"""Messages from handsets: of all accounts, and those that belong to none."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query

from dispatcher.api.manage.dependencies import Ctx
from dispatcher.api.manage.fields import AnyId, ResponseModel, Text
from dispatcher.api.manage.messages.messages import WithText
from dispatcher.api.manage.paging import Page, Paged
from dispatcher.api.manage.problems import problems
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.domain.inbound.keywords import KeywordAction
from dispatcher.service.accounts import accounts
from dispatcher.service.inbound import messages

_PATH = f"{PREFIX}/inbound"
router = operator_router("Inbound messages")


class InboundResponse(ResponseModel):
    """
    A message from a handset: `number` wrote to `recipient`, a sender of the account.

    `account` and `sender` are null if it belongs to no account, `action` if the text
    is not a keyword, `text` unless it was requested. `missing_parts` are the numbers of those of its
    `parts` that did not come; a late one changes the text, at `updated_at`.
    """

    id: int
    public_id: UUID
    account: str | None
    sender: str | None
    provider: str
    ref: str | None
    number: str
    recipient: str
    text: str | None
    action: KeywordAction | None
    sent_at: datetime | None
    received_at: datetime
    parts: int
    missing_parts: list[int]
    updated_at: datetime | None


@router.get(_PATH, responses=problems(_404="No such account"))
async def list_inbound(
    ctx: Ctx,
    paging: Paged,
    account: Annotated[Text | None, Query(description="An account's name.")] = None,
    number: Annotated[
        Text | None,
        Query(description="The number of the handset; write `+` as %2B in a URL, or leave it out."),
    ] = None,
    text: WithText = False,
) -> Page[InboundResponse]:
    """List messages from handsets, the newest first."""
    found = await messages.page(
        ctx,
        account=None if account is None else await accounts.find(ctx, account),
        number=number,
        before=paging.last,
        limit=paging.probe,
        with_text=text,
    )
    return paging.page(found, InboundResponse.model_validate)


@router.get(f"{_PATH}/{{inbound_id}}", responses=problems(_404="No such message"))
async def show_inbound(inbound_id: AnyId, ctx: Ctx, text: WithText = False) -> InboundResponse:
    """Return a message from a handset, by its id or public id."""
    return InboundResponse.model_validate(await messages.find(ctx, inbound_id, with_text=text))
