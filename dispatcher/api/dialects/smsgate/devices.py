"""Devices: an account has one, which represents all providers; the account's senders are its SIMs."""

from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.dialects.smsgate import openapi_examples
from dispatcher.api.dialects.smsgate.auth import SECURITY, authorize
from dispatcher.api.dialects.smsgate.mapping import write_time
from dispatcher.api.dialects.smsgate.responses import device_id
from dispatcher.api.operations import Operations
from dispatcher.api.request_body import Json
from dispatcher.api.runtime import context_of
from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.errors import NotFound
from dispatcher.service.accounts import accounts, credentials
from dispatcher.service.context import Context

operations = Operations(tags=["Devices"], security=SECURITY)

_SLOTS = 3


@operations.add("GET", "", summary="List devices", responses=openapi_examples.DEVICES)
async def show_all(request: Request) -> Response:
    """Always the same device: created with the account's first credential, last seen now."""
    ctx, caller = context_of(request), await authorize(request, "devices:list")
    senders = await accounts.list_senders(ctx, caller.account)
    created = write_time(await _created_at(ctx, caller))
    device = {
        "id": device_id(caller.account.id),
        "name": caller.account.name,
        "createdAt": created,
        "updatedAt": created,
        "lastSeen": write_time(ctx.now()),
        "simCards": [
            {"slotIndex": position, "simNumber": position + 1, "phoneNumber": sender.name}
            for position, sender in enumerate(senders[:_SLOTS])
        ],
    }
    return Json([device])


@operations.add("DELETE", "/{wanted_id}", summary="Remove a device", responses=openapi_examples.REMOVED)
async def remove(request: Request) -> Response:
    """The device is listed again afterwards: it cannot be removed."""
    caller = await authorize(request, "devices:delete")
    wanted_id = request.path_params["wanted_id"]
    if wanted_id != device_id(caller.account.id):
        raise NotFound("record not found")
    return Response(status_code=204)


async def _created_at(ctx: Context, caller: Caller) -> datetime:
    first = await credentials.page(ctx, caller.account, limit=1)
    return first[0].created_at
