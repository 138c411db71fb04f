"""Settings of a phone: shown with what they are here; only the key that signs webhooks means anything."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from dispatcher.api.body import read_object
from dispatcher.api.dialects.smsgate import samples
from dispatcher.api.dialects.smsgate.access import Needs
from dispatcher.api.door import Json
from dispatcher.api.runtime import Ctx
from dispatcher.domain.submission import Caller
from dispatcher.service import accounts
from dispatcher.service.context import Context

router = APIRouter(tags=["Settings"])

Writer = Annotated[Caller, Depends(Needs("settings:write"))]


@router.get("", summary="Get settings", responses=samples.SETTINGS)
async def show(ctx: Ctx, caller: Annotated[Caller, Depends(Needs("settings:read"))]) -> Response:
    """`webhooks.signing_key` is what the account's webhooks are signed with."""
    return Json(await _settings(ctx, caller))


@router.put("", summary="Replace settings", responses=samples.CHANGED, openapi_extra=samples.CHANGE)
async def replace(request: Request, ctx: Ctx, caller: Writer) -> Response:
    """Taken, and nothing changes: there is no phone to set."""
    return await _ignored(request, ctx, caller)


@router.patch("", summary="Change settings", responses=samples.CHANGED, openapi_extra=samples.CHANGE)
async def change(request: Request, ctx: Ctx, caller: Writer) -> Response:
    """Taken, and nothing changes: there is no phone to set."""
    return await _ignored(request, ctx, caller)


async def _ignored(request: Request, ctx: Context, caller: Caller) -> Response:
    await read_object(request)
    return Json(await _settings(ctx, caller))


async def _settings(ctx: Context, caller: Caller) -> Mapping[str, object]:
    return {
        "messages": {
            "limit_period": "Disabled",
            "sim_selection_mode": "OSDefault",
            "processing_order": "FIFO",
        },
        "webhooks": {
            "internet_required": True,
            "signing_key": await accounts.callback_secret(ctx, caller.account),
        },
    }
