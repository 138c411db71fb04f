"""Devices: there is one, which stands for all ways out; the account's senders are its SIMs."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from dispatcher.api.dialects.smsgate import samples
from dispatcher.api.dialects.smsgate.access import Needs
from dispatcher.api.dialects.smsgate.moments import written
from dispatcher.api.dialects.smsgate.states import device_id
from dispatcher.api.door import Json
from dispatcher.api.runtime import Ctx
from dispatcher.domain.errors import NotFound
from dispatcher.domain.submission import Caller
from dispatcher.service import accounts, credentials
from dispatcher.service.context import Context

router = APIRouter(tags=["Devices"])

_SLOTS = 3


@router.get("", summary="List devices", responses=samples.DEVICES)
async def show_all(ctx: Ctx, caller: Annotated[Caller, Depends(Needs("devices:list"))]) -> Response:
    """Always the same one. It is as old as the account's first credential, and was seen just now."""
    senders = await accounts.senders(ctx, caller.account)
    made = written(await _since(ctx, caller))
    device = {
        "id": device_id(caller.account.id),
        "name": caller.account.name,
        "createdAt": made,
        "updatedAt": made,
        "lastSeen": written(ctx.now()),
        "simCards": [
            {"slotIndex": position, "simNumber": position + 1, "phoneNumber": sender.name}
            for position, sender in enumerate(senders[:_SLOTS])
        ],
    }
    return Json([device])


@router.delete("/{wanted_id}", summary="Remove a device", status_code=204, responses=samples.REMOVED)
async def remove(wanted_id: str, caller: Annotated[Caller, Depends(Needs("devices:delete"))]) -> Response:
    """The one device is always there again."""
    if wanted_id != device_id(caller.account.id):
        raise NotFound("record not found")
    return Response(status_code=204)


async def _since(ctx: Context, caller: Caller) -> datetime:
    first = await credentials.page(ctx, caller.account, limit=1)
    return first[0].created_at
