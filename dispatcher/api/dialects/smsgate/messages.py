"""Messages: sent, listed, followed, taken back. Below /messages, and /message as older clients call it."""

from contextlib import suppress
from functools import partial
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from dispatcher.api.body import read_object
from dispatcher.api.dialects.smsgate import listing, order, samples, states
from dispatcher.api.dialects.smsgate.access import Needs
from dispatcher.api.dialects.smsgate.form import Form, flag, whole
from dispatcher.api.dialects.smsgate.words import MESSAGES
from dispatcher.api.door import Json
from dispatcher.api.idempotency import accept
from dispatcher.api.runtime import Ctx
from dispatcher.domain.errors import Conflict, NotFound
from dispatcher.domain.msisdn import NumberPolicy
from dispatcher.domain.submission import AcceptedBatch, Caller
from dispatcher.service import accounts, search, withdraw
from dispatcher.service.context import Context
from dispatcher.service.search import TrackedBatch

router = APIRouter(tags=["Messages"])


@router.post("", summary="Enqueue a message", responses=samples.SENT, openapi_extra=samples.SEND)
async def send(
    request: Request, ctx: Ctx, caller: Annotated[Caller, Depends(Needs("messages:send"))]
) -> Response:
    """All of it is accepted, or nothing. The answer is the message's state, as `GET` tells it later."""
    skips = flag(request.query_params, "skipPhoneValidation")
    whole(request.query_params, "deviceActiveWithin", 0)  # our one device is always active
    form = Form(await read_object(request))
    slots = (
        [sender.id for sender in await accounts.senders(ctx, caller.account)] if form.has("simNumber") else []
    )
    submission = order.submission(
        form,
        numbers=_policy(ctx, caller, skips=skips),
        slots=slots,
        device=states.device_id(caller.account.id),
        now=ctx.now(),
    )
    answer = partial(
        _accepted,
        account_id=caller.account.id,
        base=request.url.path.rpartition("/")[0],
        status=202 if ctx.settings.smsgate_answers_202 else 200,
    )
    return await accept(request, ctx, caller, submission, answer=answer)


@router.get("", summary="List messages", responses=samples.LISTED, openapi_extra=samples.LIST)
async def show_all(
    request: Request, ctx: Ctx, caller: Annotated[Caller, Depends(Needs("messages:list"))]
) -> Response:
    """`X-Total-Count` tells how many there are in all. The newest come first unless `sort` says otherwise."""
    account_id = caller.account.id
    asked = listing.read(request.query_params, device=states.device_id(account_id))
    page = await search.own_batches(
        ctx,
        caller,
        asked.wanted,
        skip=asked.skip,
        limit=asked.limit,
        newest_first=asked.newest_first,
        with_text=asked.content,
    )
    body = [states.tracked(found, account_id, content=asked.content) for found in page.items]
    return Json(body, headers={"X-Total-Count": str(page.total)})


@router.get("/{message_id:path}", summary="Get the state of a message", responses=samples.STATE)
async def show(
    message_id: str, ctx: Ctx, caller: Annotated[Caller, Depends(Needs("messages:read"))]
) -> Response:
    """The state of the message, and that of each recipient."""
    return _told(await _find(ctx, caller, message_id), caller)


@router.delete("/{message_id:path}", summary="Cancel a message", responses=samples.CANCELLED)
async def cancel(
    message_id: str, ctx: Ctx, caller: Annotated[Caller, Depends(Needs("messages:cancel"))]
) -> Response:
    """What has not gone out is taken back and refunded; 409 when nothing is left to take back."""
    found = await _find(ctx, caller, message_id)
    if not await withdraw.batch(ctx, caller, found.batch.id):
        raise Conflict("failed to cancel message: message is not pending")
    return _told(await _find(ctx, caller, message_id), caller)


async def _find(ctx: Context, caller: Caller, name: str) -> TrackedBatch:
    if name.isprintable():  # else nobody can have sent it, and Postgres could not be asked
        with suppress(NotFound):
            return await search.tracked_batch(ctx, caller, name)
    raise NotFound(MESSAGES[404])


def _told(found: TrackedBatch, caller: Caller) -> Response:
    return Json(states.tracked(found, caller.account.id, content=True))


def _accepted(batch: AcceptedBatch, *, account_id: int, base: str, status: int) -> Response:
    location = f"{base}/messages/{quote(states.name_of(batch), safe='')}"
    return Json(states.accepted(batch, account_id), status, headers={"Location": location})


def _policy(ctx: Context, caller: Caller, *, skips: bool) -> NumberPolicy:
    """Take what libphonenumber takes in the account's country; upstream asks for mobiles."""
    country = caller.account.default_country
    return NumberPolicy(
        default_country=country,
        national=country is not None,
        require_valid=not skips,
        require_mobile=not skips and not ctx.settings.smsgate_landlines,
        lenient=True,
        simulated=ctx.settings.simulated_numbers,
    )
