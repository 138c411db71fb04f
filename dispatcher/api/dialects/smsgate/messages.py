"""Messages: send, list, state, cancel. Below /messages, and /message for older clients."""

from contextlib import suppress
from functools import partial
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.dialects.smsgate import openapi_examples, queries, responses, submissions
from dispatcher.api.dialects.smsgate.auth import SECURITY, authorize
from dispatcher.api.dialects.smsgate.mapping import MESSAGES
from dispatcher.api.dialects.smsgate.requests import Form, read_boolean, read_integer
from dispatcher.api.idempotency import accept
from dispatcher.api.operations import Operations
from dispatcher.api.request_body import Json, read_object
from dispatcher.api.runtime import context_of
from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.errors import Conflict, NotFound
from dispatcher.domain.messages.submission import AcceptedBatch
from dispatcher.domain.numbers.msisdn import NumberPolicy
from dispatcher.service.accounts import accounts
from dispatcher.service.context import Context
from dispatcher.service.messages import search, withdraw
from dispatcher.service.messages.search import TrackedBatch

operations = Operations(tags=["Messages"], security=SECURITY)


@operations.add(
    "POST", "", summary="Enqueue a message", request=openapi_examples.SEND, responses=openapi_examples.SENT
)
async def send(request: Request) -> Response:
    """The message is accepted as a whole, or not at all. The response is its state, as from `GET`."""
    ctx, caller = context_of(request), await authorize(request, "messages:send")
    skip_validation = read_boolean(request.query_params, "skipPhoneValidation")
    read_integer(request.query_params, "deviceActiveWithin", 0)  # our one device is always active
    form = Form(await read_object(request))
    slots = (
        [sender.id for sender in await accounts.list_senders(ctx, caller.account)]
        if form.has("simNumber")
        else []
    )
    submission = submissions.read_submission(
        form,
        numbers=_policy(ctx, caller, skip_validation=skip_validation),
        slots=slots,
        device=responses.device_id(caller.account.id),
        now=ctx.now(),
    )
    answer = partial(
        _accepted,
        account_id=caller.account.id,
        base=request.url.path.rpartition("/")[0],
        status=202 if ctx.settings.smsgate_answers_202 else 200,
    )
    return await accept(request, ctx, caller, submission, answer=answer)


@operations.add(
    "GET", "", summary="List messages", request=openapi_examples.LIST, responses=openapi_examples.LISTED
)
async def show_all(request: Request) -> Response:
    """`X-Total-Count` is the total number. The newest come first, unless `sort` says otherwise."""
    ctx, caller = context_of(request), await authorize(request, "messages:list")
    account_id = caller.account.id
    wanted = queries.read_message_query(request.query_params, device=responses.device_id(account_id))
    page = await search.own_batches(
        ctx,
        caller,
        wanted.filter,
        skip=wanted.skip,
        limit=wanted.limit,
        newest_first=wanted.newest_first,
        with_text=wanted.content,
    )
    body = [responses.tracked(found, account_id, content=wanted.content) for found in page.items]
    return Json(body, headers={"X-Total-Count": str(page.total)})


@operations.add(
    "GET", "/{message_id:path}", summary="Get the state of a message", responses=openapi_examples.STATE
)
async def show(request: Request) -> Response:
    """The state of the message, and of each recipient."""
    ctx, caller = context_of(request), await authorize(request, "messages:read")
    message_id = request.path_params["message_id"]
    return _state_response(await _find(ctx, caller, message_id), caller)


@operations.add(
    "DELETE", "/{message_id:path}", summary="Cancel a message", responses=openapi_examples.CANCELLED
)
async def cancel(request: Request) -> Response:
    """Recipients to whom nothing was sent are cancelled and refunded; 409 if there are none."""
    ctx, caller = context_of(request), await authorize(request, "messages:cancel")
    message_id = request.path_params["message_id"]
    found = await _find(ctx, caller, message_id)
    if not await withdraw.batch(ctx, caller, found.batch.id):
        raise Conflict("failed to cancel message: message is not pending")
    return _state_response(await _find(ctx, caller, message_id), caller)


async def _find(ctx: Context, caller: Caller, name: str) -> TrackedBatch:
    if name.isprintable():  # otherwise it cannot be an id, and Postgres cannot compare it
        with suppress(NotFound):
            return await search.tracked_batch(ctx, caller, name)
    raise NotFound(MESSAGES[404])


def _state_response(found: TrackedBatch, caller: Caller) -> Response:
    return Json(responses.tracked(found, caller.account.id, content=True))


def _accepted(batch: AcceptedBatch, *, account_id: int, base: str, status: int) -> Response:
    location = f"{base}/messages/{quote(responses.name_of(batch), safe='')}"
    return Json(responses.accepted(batch, account_id), status, headers={"Location": location})


def _policy(ctx: Context, caller: Caller, *, skip_validation: bool) -> NumberPolicy:
    """
    Return the rules for numbers: libphonenumber's for the account's country; upstream requires mobiles.

    Without validation upstream passes on what is no valid number as it is: short codes, and * and #.
    """
    country = caller.account.default_country
    return NumberPolicy(
        default_country=country,
        national=country is not None,
        require_mobile=not skip_validation and not ctx.settings.smsgate_landlines,
        lenient=True,
        unchecked=skip_validation,
        simulated=ctx.settings.simulated_numbers,
    )
