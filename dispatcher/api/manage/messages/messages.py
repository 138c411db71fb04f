"""Messages of all accounts and dialects: found, explained, taken back."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query

from dispatcher.api.manage.dependencies import Ctx
from dispatcher.api.manage.fields import Name, Plain, ResponseModel, StatusResponse, StatusWord, Time
from dispatcher.api.manage.paging import Page, Paged, page
from dispatcher.api.manage.problems import problems
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.domain.messages.edit import Cancel, Selection
from dispatcher.domain.messages.status import Place
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts
from dispatcher.service.health import lanes
from dispatcher.service.messages import edits, search
from dispatcher.service.messages.explain import explain
from dispatcher.service.messages.search import MessageFilter
from dispatcher.service.routing import routes

_PATH = f"{PREFIX}/messages"
_ONE = f"{_PATH}/{{message_id}}"
router = operator_router("Messages")
_UNKNOWN = problems(_404="No such message")

WithText = Annotated[bool, Query(alias="text", description="Show the text.")]


class MessageResponse(StatusResponse):
    """A message. `text` is null unless it was asked for."""

    id: int
    public_id: UUID
    batch_id: int
    batch_public_id: UUID
    account: str
    dialect: str
    client_id: str
    number: str
    number_as_given: str
    sender: str | None
    text: str | None
    tier: Tier
    place: Place | None
    reason: str
    provider: str | None
    attempt: int
    segments: int
    charged: int
    is_test: bool
    not_before: datetime
    not_after: datetime
    created_at: datetime
    moved_at: datetime


class EventResponse(StatusResponse):
    """One step of a message."""

    seq: int
    at: datetime
    provider: str | None
    attempt: int
    reason: str


class StoryResponse(ResponseModel):
    """A message, what happened to it, oldest first, and where it is and why, in sentences."""

    message: MessageResponse
    events: list[EventResponse]
    explanation: list[str]


class CancelledResponse(ResponseModel):
    """How many messages were taken back now; what is going out, or out, or at its end, is left."""

    cancelled: int


@router.get(_PATH, responses=problems(_404="No such account"))
async def search_messages(
    ctx: Ctx,
    paging: Paged,
    number: Annotated[Plain | None, Query(description="`+` is written %2B in a URL, or left out.")] = None,
    account: Annotated[Plain | None, Query(description="An account's name.")] = None,
    status: Annotated[list[StatusWord] | None, Query(description="May be given more than once.")] = None,
    tier: Annotated[Tier | None, Query()] = None,
    since: Annotated[Time | None, Query(description="Accepted then or later.")] = None,
    until: Annotated[Time | None, Query(description="Accepted before then.")] = None,
    text: WithText = False,
) -> Page[MessageResponse]:
    """
    Find messages, the newest first.

    Without a number a page looks at so many messages only: it may have few
    items, or none, and yet a `next`. Only a `next` of null is the end.
    """
    owner = None if account is None else await accounts.find(ctx, account)
    wanted = MessageFilter(
        number=None if number is None else search.read_number(number, owner),
        account_id=None if owner is None else owner.id,
        statuses=frozenset(status) if status else None,
        tier=tier,
        since=since,
        until=until,
    )
    found = await search.messages(ctx, wanted, before=paging.last, limit=paging.limit, with_text=text)
    return page([MessageResponse.model_validate(message) for message in found.items], found.next)


@router.get(_ONE, responses=_UNKNOWN)
async def show_message(message_id: Name, ctx: Ctx, text: WithText = False) -> StoryResponse:
    """Tell all of a message, by its number or its public id."""
    history = await search.history(ctx, message_id, with_text=text)
    return StoryResponse(
        message=MessageResponse.model_validate(history.message),
        events=[EventResponse.model_validate(event) for event in history.events],
        explanation=list(
            explain(
                history,
                now=ctx.now(),
                consumed=await lanes(ctx),
                route=routes.route_sentence(ctx, history.message),
            )
        ),
    )


@router.post(f"{_ONE}/cancel", responses=_UNKNOWN)
async def cancel_message(message_id: Name, ctx: Ctx) -> CancelledResponse:
    """Take a message back before it goes out; 0 means that it is too late."""
    found = await search.message(ctx, message_id)
    chosen = Selection(await accounts.find(ctx, found.account), message=found.id)
    return CancelledResponse(cancelled=(await edits.edit(ctx, chosen, Cancel())).changed)
