"""Creating, replacing and revoking the key of an account, which is shown only once."""

from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.dialects.formpost import openapi_examples
from dispatcher.api.dialects.formpost.auth import (
    BASIC,
    KEY,
    RequestFields,
    all_fields,
    key_manager,
    read_request,
)
from dispatcher.api.dialects.formpost.mapping import unprocessable
from dispatcher.api.dialects.formpost.responses import JsonWithoutCharset
from dispatcher.api.operations import Operations
from dispatcher.api.runtime import context_of
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts import credentials
from dispatcher.service.accounts.credentials import NewKey
from dispatcher.service.context import Context

operations = Operations(tags=["Keys"], security=(*KEY, BASIC))

_MAX_DAYS = 365


@operations.add(
    "POST",
    "/api/generate-key",
    summary="Create the account's key",
    request=openapi_examples.EXPIRY,
    responses=openapi_examples.GENERATED,
)
async def generate_key(request: Request) -> Response:
    """An account has one key at a time: while a key is active, this is 409."""
    ctx, fields = context_of(request), await read_request(request)
    caller = await key_manager(request, fields)
    fields = await all_fields(request, fields)
    try:
        validity = _validity(ctx, fields)
    except ValueError as fault:
        return _refused(fault)
    made = await credentials.generate(ctx, caller, CredentialKind.API_KEY, validity=validity)
    return _key_response(made, 201)


@operations.add(
    "POST",
    "/api/regenerate-key",
    summary="Replace the account's key",
    request=openapi_examples.EXPIRY,
    responses=openapi_examples.REGENERATED,
)
async def regenerate_key(request: Request) -> Response:
    """The old key is revoked, even if it authenticates this request."""
    ctx, fields = context_of(request), await read_request(request)
    caller = await key_manager(request, fields)
    fields = await all_fields(request, fields)
    try:
        validity = _validity(ctx, fields)
    except ValueError as fault:
        return _refused(fault)
    made = await credentials.regenerate(ctx, caller, CredentialKind.API_KEY, validity=validity)
    return _key_response(made, 200)


@operations.add(
    "POST", "/api/revoke-key", summary="Revoke the account's key", responses=openapi_examples.REVOKED
)
async def revoke_key(request: Request) -> Response:
    """With immediate effect. Without an active key it is 404."""
    caller = await key_manager(request, await read_request(request))
    await credentials.revoke_all(context_of(request), caller, CredentialKind.API_KEY)
    return JsonWithoutCharset({"message": "API key revoked"})


def _validity(ctx: Context, fields: RequestFields) -> timedelta | None:
    """Return the validity of a key, None for no expiry. Raises ValueError, in Laravel's words."""
    days = fields.values.get("expiry_days")
    if days in (None, ""):
        return timedelta(days=ctx.settings.formpost_key_days) or None
    if isinstance(days, str) and days.removeprefix("-").isdecimal() and days.isascii():
        days = int(days[:9])
    if not isinstance(days, int) or isinstance(days, bool):
        raise ValueError("The expiry days field must be an integer.")  # noqa: TRY004 - a fault of the value
    if days < 1:
        raise ValueError("The expiry days field must be at least 1.")
    if days > _MAX_DAYS:
        raise ValueError(f"The expiry days field must not be greater than {_MAX_DAYS}.")
    return timedelta(days=days)


def _refused(fault: ValueError) -> Response:
    return JsonWithoutCharset(unprocessable({"expiry_days": [str(fault)]}), 422)


def _key_response(made: NewKey, status: int) -> Response:
    expires_at = None if made.expires_at is None else _format_time(made.expires_at)
    body = {"api_key": made.secret, "expires_at": expires_at}
    return JsonWithoutCharset(body, status, headers={"Cache-Control": "no-store, private"})


def _format_time(at: datetime) -> str:
    """Format a time as Laravel does: UTC, with microseconds and a Z."""
    return f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"
