"""Making, replacing and revoking the key of an account. A key is shown once, and is in no stored response."""

from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.dialects.formpost import openapi_examples
from dispatcher.api.dialects.formpost.auth import BASIC, KEY, NAME, RequestFields, key_manager, read_request
from dispatcher.api.dialects.formpost.mapping import unprocessable
from dispatcher.api.dialects.formpost.responses import Plain
from dispatcher.api.operations import Operations
from dispatcher.api.runtime import context_of
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts import credentials
from dispatcher.service.accounts.credentials import NewKey
from dispatcher.service.context import Context

operations = Operations(tags=["Keys"], security=(*KEY, BASIC))

_MOST_DAYS = 365


@operations.add(
    "POST",
    "/api/generate-key",
    summary="Make the account's key",
    request=openapi_examples.EXPIRY,
    responses=openapi_examples.GENERATED,
)
async def generate_key(request: Request) -> Response:
    """An account has one key at a time: while there is a good one, this is 409."""
    ctx, fields = context_of(request), await read_request(request)
    caller = await key_manager(request, fields)
    try:
        validity = _validity(ctx, fields)
    except ValueError as fault:
        return _refused(fault)
    made = await credentials.generate(
        ctx, caller.account, CredentialKind.API_KEY, dialect=NAME, validity=validity
    )
    return _shown(made, 201)


@operations.add(
    "POST",
    "/api/regenerate-key",
    summary="Replace the account's key",
    request=openapi_examples.EXPIRY,
    responses=openapi_examples.REGENERATED,
)
async def regenerate_key(request: Request) -> Response:
    """The old key ends with this answer, also when the request came with it."""
    ctx, fields = context_of(request), await read_request(request)
    caller = await key_manager(request, fields)
    try:
        validity = _validity(ctx, fields)
    except ValueError as fault:
        return _refused(fault)
    made = await credentials.regenerate(
        ctx, caller.account, CredentialKind.API_KEY, dialect=NAME, validity=validity
    )
    return _shown(made, 200)


@operations.add(
    "POST", "/api/revoke-key", summary="Revoke the account's key", responses=openapi_examples.REVOKED
)
async def revoke_key(request: Request) -> Response:
    """At once. Without a key that is still good it is 404."""
    caller = await key_manager(request, await read_request(request))
    await credentials.revoke_all(context_of(request), caller.account, CredentialKind.API_KEY, dialect=NAME)
    return Plain({"message": "API key revoked"})


def _validity(ctx: Context, fields: RequestFields) -> timedelta | None:
    """Return how long a key is valid, None for ever. Raises ValueError, in Laravel's words."""
    given = fields.values.get("expiry_days")
    if given in (None, ""):
        return timedelta(days=ctx.settings.formpost_key_days) or None
    if isinstance(given, str) and given.removeprefix("-").isdecimal() and given.isascii():
        given = int(given[:9])
    if not isinstance(given, int) or isinstance(given, bool):
        raise ValueError("The expiry days field must be an integer.")  # noqa: TRY004 - it is a value
    if given < 1:
        raise ValueError("The expiry days field must be at least 1.")
    if given > _MOST_DAYS:
        raise ValueError(f"The expiry days field must not be greater than {_MOST_DAYS}.")
    return timedelta(days=given)


def _refused(fault: ValueError) -> Response:
    return Plain(unprocessable({"expiry_days": [str(fault)]}), 422)


def _shown(made: NewKey, status: int) -> Response:
    expires_at = None if made.expires_at is None else _stamp(made.expires_at)
    return Plain({"api_key": made.secret, "expires_at": expires_at}, status)


def _stamp(at: datetime) -> str:
    """Format a time as Laravel does: UTC, with microseconds and a Z."""
    return f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"
