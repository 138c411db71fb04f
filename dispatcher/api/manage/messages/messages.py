"""Messages of all accounts and dialects: search, history, explanation, cancellation."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query

from dispatcher.api.manage.dependencies import Ctx
from dispatcher.api.manage.fields import AnyId, ResponseModel, StatusResponse, StatusWord, Text, Time
from dispatcher.api.manage.paging import Page, Paged, page
from dispatcher.api.manage.problems import problems
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.domain.messages.edit import Cancel, Selection
from dispatcher.domain.messages.status import Place
from dispatcher.domain.messages.waits import WaitKind
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts
from dispatcher.service.health.readiness import lanes
from dispatcher.service.messages import edits, search
from dispatcher.service.messages.explain import explain
from dispatcher.service.messages.search import MessageFilter
from dispatcher.service.messages.wait_words import all_waits, cause_of
from dispatcher.service.routing import routes

_PATH = f"{PREFIX}/messages"
_ONE = f"{_PATH}/{{message_id}}"
router = operator_router("Messages")
_UNKNOWN = problems(_404="No such message")

WithText = Annotated[bool, Query(alias="text", description="Include the text.")]


class MessageResponse(StatusResponse):
    """A message. `text` is null unless it was requested."""

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
    """An event of a message."""

    seq: int
    at: datetime
    provider: str | None
    attempt: int
    reason: str


class WaitResponse(ResponseModel):
    """A wait of a second or more, and its cause in words. `until` is null while it lasts."""

    kind: WaitKind
    since: datetime
    until: datetime | None
    cause: str


class HistoryResponse(ResponseModel):
    """A message with its events and its waits, the oldest first, and sentences that explain its state."""

    message: MessageResponse
    events: list[EventResponse]
    waits: list[WaitResponse]
    explanation: list[str]


class CancelledResponse(ResponseModel):
    """How many messages this request cancelled; those that are being sent, sent or ended stay as they are."""

    cancelled: int


@router.get(_PATH, responses=problems(_404="No such account"))
async def search_messages(
    ctx: Ctx,
    paging: Paged,
    number: Annotated[Text | None, Query(description="Write `+` as %2B in a URL, or leave it out.")] = None,
    account: Annotated[Text | None, Query(description="An account's name.")] = None,
    status: Annotated[list[StatusWord] | None, Query(description="May be repeated.")] = None,
    tier: Annotated[Tier | None, Query()] = None,
    since: Annotated[Time | None, Query(description="Accepted at this time or later.")] = None,
    until: Annotated[Time | None, Query(description="Accepted before this time.")] = None,
    text: WithText = False,
) -> Page[MessageResponse]:
    """
    Find messages, the newest first.

    Without `number`, the search for one page is limited: a page may have few items, or
    none, and still a `next`. Only a `next` of null is the end.
    """
    owner = None if account is None else await accounts.find(ctx, account)
    wanted = MessageFilter(
        number=None if number is None else search.read_search_number(number, owner),
        account_id=None if owner is None else owner.id,
        statuses=frozenset(status) if status else None,
        tier=tier,
        since=since,
        until=until,
    )
    found = await search.messages(ctx, wanted, before=paging.last, limit=paging.limit, with_text=text)
    return page([MessageResponse.model_validate(message) for message in found.items], found.next)


@router.get(_ONE, responses=_UNKNOWN)
async def show_message(message_id: AnyId, ctx: Ctx, text: WithText = False) -> HistoryResponse:
    """Return a message with its history, by its id or public id."""
    history = await search.history(ctx, message_id, with_text=text)
    return HistoryResponse(
        message=MessageResponse.model_validate(history.message),
        events=[EventResponse.model_validate(event) for event in history.events],
        waits=[
            WaitResponse(kind=one.kind, since=one.since, until=one.until, cause=cause_of(one, history))
            for one in all_waits(history)
        ],
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
async def cancel_message(message_id: AnyId, ctx: Ctx) -> CancelledResponse:
    """Cancel a message before it is sent; 0 means that it is too late."""
    found = await search.message(ctx, message_id)
    selection = Selection(await accounts.find(ctx, found.account), message=found.id)
    return CancelledResponse(cancelled=(await edits.edit(ctx, selection, Cancel())).changed)
