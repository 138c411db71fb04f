"""The callbacks of all accounts, and their replay."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query

from dispatcher.api.manage.dependencies import Ctx
from dispatcher.api.manage.fields import AnyId, ResponseModel, Text
from dispatcher.api.manage.paging import Page, Paged, page
from dispatcher.api.manage.problems import problems
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.domain.callbacks.events import CallbackState
from dispatcher.service.accounts import accounts
from dispatcher.service.callbacks import admin

_PATH = f"{PREFIX}/callbacks"
router = operator_router("Callbacks")


class CallbackResponse(ResponseModel):
    """
    A callback for an event of a message, or for an inbound message.

    Its receiver gets `public_id` as its id; `answer` is the result of the last
    try.
    """

    id: int
    public_id: UUID
    account: str
    message_id: int | None
    message_public_id: UUID | None
    inbound_id: int | None
    seq: int
    dialect: str
    url: str
    webhook_id: str | None
    event: str
    state: CallbackState
    tries: int
    answer: str
    created_at: datetime
    wake_at: datetime | None
    ended_at: datetime | None


@router.get(_PATH, responses=problems(_404="No such account or message"))
async def list_callbacks(
    ctx: Ctx,
    paging: Paged,
    account: Annotated[Text | None, Query(description="An account's name.")] = None,
    message: Annotated[AnyId | None, Query(description="A message's number or public id.")] = None,
    state: Annotated[CallbackState | None, Query()] = None,
) -> Page[CallbackResponse]:
    """
    List callbacks, the newest first.

    Without `message`, the search for one page is limited: a page may have few items, or
    none, and still a `next`. Only a `next` of null is the end.
    """
    found = await admin.page(
        ctx,
        account=None if account is None else await accounts.find(ctx, account),
        message=message,
        state=state,
        before=paging.last,
        limit=paging.limit,
    )
    return page([CallbackResponse.model_validate(callback) for callback in found.items], found.next)


@router.post(f"{_PATH}/{{callback_id}}/replay", responses=problems(_404="No such callback"))
async def replay_callback(callback_id: AnyId, ctx: Ctx) -> CallbackResponse:
    """Send a callback again now, with the same id."""
    return CallbackResponse.model_validate(await admin.replay(ctx, callback_id))
