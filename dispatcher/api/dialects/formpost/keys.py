"""Making, replacing and revoking the key of an account. A key is shown once, and in no stored answer."""

from datetime import datetime, timedelta

from fastapi import APIRouter
from starlette.responses import Response

from dispatcher.api.dialects.formpost import samples
from dispatcher.api.dialects.formpost.access import NAME, Asked, AskedFields, KeyManager
from dispatcher.api.dialects.formpost.answers import Plain
from dispatcher.api.dialects.formpost.words import unprocessable
from dispatcher.api.runtime import Ctx
from dispatcher.domain.credential import CredentialKind
from dispatcher.service import credentials
from dispatcher.service.context import Context
from dispatcher.service.credentials import NewKey

router = APIRouter(tags=["Keys"], default_response_class=Plain)

_MOST_DAYS = 365


@router.post(
    "/api/generate-key",
    status_code=201,
    summary="Make the account's key",
    responses=samples.GENERATED,
    openapi_extra=samples.EXPIRY,
)
async def generate_key(ctx: Ctx, caller: KeyManager, asked: AskedFields) -> Response:
    """An account has one key at a time: while there is a good one, this is 409."""
    try:
        validity = _validity(ctx, asked)
    except ValueError as fault:
        return _refused(fault)
    made = await credentials.generate(
        ctx, caller.account, CredentialKind.API_KEY, dialect=NAME, validity=validity
    )
    return _shown(made, 201)


@router.post(
    "/api/regenerate-key",
    summary="Replace the account's key",
    responses=samples.REGENERATED,
    openapi_extra=samples.EXPIRY,
)
async def regenerate_key(ctx: Ctx, caller: KeyManager, asked: AskedFields) -> Response:
    """The old key ends with this answer, also when the request came with it."""
    try:
        validity = _validity(ctx, asked)
    except ValueError as fault:
        return _refused(fault)
    made = await credentials.regenerate(
        ctx, caller.account, CredentialKind.API_KEY, dialect=NAME, validity=validity
    )
    return _shown(made, 200)


@router.post("/api/revoke-key", summary="Revoke the account's key", responses=samples.REVOKED)
async def revoke_key(ctx: Ctx, caller: KeyManager) -> Response:
    """At once. Without a key that is still good it is 404."""
    await credentials.revoke_all(ctx, caller.account, CredentialKind.API_KEY, dialect=NAME)
    return Plain({"message": "API key revoked"})


def _validity(ctx: Context, asked: Asked) -> timedelta | None:
    """Read how long a key is good for, None for ever. Raises ValueError, in Laravel's words."""
    given = asked.fields.get("expiry_days")
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
    """Write a time as Laravel does: UTC, with microseconds and a Z."""
    return f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"
