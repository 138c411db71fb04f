"""The settings of a phone, which are fixed here; only the key that signs webhooks has a meaning."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.dialects.smsgate import openapi_examples
from dispatcher.api.dialects.smsgate.auth import SECURITY, authorize
from dispatcher.api.operations import Operations
from dispatcher.api.request_body import Json, read_object
from dispatcher.api.runtime import context_of
from dispatcher.domain.accounts.account import Caller
from dispatcher.service.accounts import callback_secrets

operations = Operations(tags=["Settings"], security=SECURITY)


@operations.add("GET", "", summary="Get settings", responses=openapi_examples.SETTINGS)
async def show(request: Request) -> Response:
    """`webhooks.signing_key` is the key that signs the account's webhooks."""
    return Json(await _settings(request, await authorize(request, "settings:read")))


@operations.add(
    "PUT", "", summary="Replace settings", request=openapi_examples.CHANGE, responses=openapi_examples.CHANGED
)
async def replace(request: Request) -> Response:
    """Accepted without effect: there is no phone with settings."""
    return await _ignored(request)


@operations.add(
    "PATCH",
    "",
    summary="Change settings",
    request=openapi_examples.CHANGE,
    responses=openapi_examples.CHANGED,
)
async def change(request: Request) -> Response:
    """Accepted without effect: there is no phone with settings."""
    return await _ignored(request)


async def _ignored(request: Request) -> Response:
    caller = await authorize(request, "settings:write")
    await read_object(request)
    return Json(await _settings(request, caller))


async def _settings(request: Request, caller: Caller) -> Mapping[str, object]:
    secrets = await callback_secrets.find(context_of(request), caller.account)
    return {
        "messages": {
            "limit_period": "Disabled",
            "sim_selection_mode": "OSDefault",
            "processing_order": "FIFO",
        },
        "webhooks": {
            "internet_required": True,
            "signing_key": secrets.previous or secrets.current,  # the one that X-Signature is made with
        },
    }
