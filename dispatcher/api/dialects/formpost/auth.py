"""Authentication: by user name and password in v1, by key in v2, by either at the key endpoints."""

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from dispatcher.api.auth import authenticate, basic_credentials, count_by_address, presented_secret
from dispatcher.api.dialects.formpost.mapping import NoCredential, NoKey, WrongPassword
from dispatcher.api.limits.body_limit import SMALL
from dispatcher.api.limits.logins import Presented
from dispatcher.api.operations import SecurityScheme
from dispatcher.api.request_body import fields_at_start, query_fields, read_fields
from dispatcher.api.runtime import context_of
from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.domain.errors import NotAuthenticated
from dispatcher.service.accounts import credentials
from dispatcher.service.context import Context

NAME = "formpost"

_TOO_LARGE = (
    f"The body is larger than {SMALL} bytes and has no credential in its first {SMALL}: put the API key into"
    " a header, or the credential before the other fields"
)

PER_MINUTE = 60
"""The requests per minute of an account without a rate of its own."""

KEY = (
    SecurityScheme(
        "APIKeyHeader",
        {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-Key",
            "description": "The API key of the account.",
        },
    ),
    SecurityScheme(
        "APIKeyQuery",
        {
            "type": "apiKey",
            "in": "query",
            "name": "api_key",
            "description": "The API key of the account; it may also be in a body.",
        },
    ),
)
BASIC = SecurityScheme(
    "HTTPBasic", {"type": "http", "scheme": "basic", "description": "User name and password."}
)


@dataclass(frozen=True, slots=True)
class RequestFields:
    """
    The fields of a request, from the query and the body; those of the body win.

    `fault` is the error of a body that cannot be read. It is raised after
    authentication, because credentials may be among the fields. `is_cut` means
    that only the first 64 KiB of a larger body are read, until the client is known.
    """

    values: Mapping[str, object]
    fault: HTTPException | None = None
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class _Login:
    """A user name and a password as received: either may be missing, or not a string."""

    name: object
    password: object


async def read_request(request: Request) -> RequestFields:
    """Return the fields of a request; those at the start of a large body, until the client is known."""
    values: Mapping[str, object] = {}
    try:
        values = query_fields(request)
        if request.method == "GET":
            return RequestFields(values)
        if (start := await fields_at_start(request)) is not None:
            return RequestFields({**values, **start}, is_cut=True)
        return RequestFields({**values, **await read_fields(request)})
    except HTTPException as fault:
        if fault.status_code not in (400, 415):
            raise
        return RequestFields(values, fault)


async def all_fields(request: Request, fields: RequestFields) -> RequestFields:
    """Return all fields of a request, once the client is known. Raises HTTPException."""
    if not fields.is_cut:
        return fields
    return RequestFields({**query_fields(request), **await read_fields(request)})


async def user(request: Request, fields: RequestFields) -> Caller:
    """Return the caller, authenticated by the user name and password among the fields."""
    login = _Login(fields.values.get("username"), fields.values.get("password"))
    check = _by_password(context_of(request), login)
    return await _authenticated(request, fields, check, _presented_login(login))


async def key_holder(request: Request, fields: RequestFields) -> Caller:
    """Return the caller, authenticated by an API key."""
    key = _key(request, fields)
    return await _authenticated(request, fields, _by_key(context_of(request), key), _presented_key(key))


async def key_manager(request: Request, fields: RequestFields) -> Caller:
    """Return the caller, authenticated by an API key or by a user name and password."""
    login = _basic(request) or _login(fields)
    key = _key(request, fields)
    presented = _presented_key(key) if login is None else _presented_login(login)
    return await _authenticated(request, fields, _by_either(context_of(request), key, login), presented)


async def read_quota(request: Request) -> None:
    """Read the quota of the address for the headers of a page or a preflight, which cannot have a key."""
    request.state.quota = await count_by_address(request.scope, context_of(request), cost=0)


def _key(request: Request, fields: RequestFields) -> object:
    return request.headers.get("x-api-key") or fields.values.get("api_key")


def _basic(request: Request) -> _Login | None:
    """Return the login of HTTP Basic. One that cannot be read counts as a wrong one."""
    try:
        basic = basic_credentials(request, charset="ascii", strict=False)
    except NotAuthenticated:
        return _Login("", "")
    return None if basic is None else _Login(basic.name, basic.password)


def _login(fields: RequestFields) -> _Login | None:
    """Return the login among the fields; without its other half it counts as a wrong one."""
    if fields.values.keys().isdisjoint(("username", "password")):
        return None
    return _Login(fields.values.get("username"), fields.values.get("password"))


def _presented_login(login: _Login) -> Presented:
    return Presented(NAME, str(login.password or ""), str(login.name or ""))


def _presented_key(key: object) -> Presented | None:
    return presented_secret(key, door=NAME) if isinstance(key, str) else None


async def _authenticated(
    request: Request,
    fields: RequestFields,
    check: Coroutine[Any, Any, Caller],
    presented: Presented | None,
) -> Caller:
    try:
        caller = await authenticate(request, check, presented=presented, per_minute=PER_MINUTE)
    except NotAuthenticated:
        if fields.is_cut and not (_key(request, fields) or _login(fields) or _basic(request)):
            raise HTTPException(413, _TOO_LARGE) from None
        raise
    if fields.fault is not None:
        raise fields.fault
    return caller


async def _by_either(ctx: Context, key: object, login: _Login | None) -> Caller:
    if login is not None:
        return await _by_password(ctx, login)
    if not key:
        raise NoCredential("neither a user name and password nor an API key")
    return await _by_key(ctx, key)


async def _by_key(ctx: Context, key: object) -> Caller:
    if not key:
        raise NoKey("the request has no API key")
    if not isinstance(key, str):
        raise NotAuthenticated("an API key is a string")
    return await credentials.by_secret(ctx, CredentialKind.API_KEY, key, dialect=NAME)


async def _by_password(ctx: Context, login: _Login) -> Caller:
    if not (isinstance(login.name, str) and isinstance(login.password, str)):
        raise WrongPassword("user name and password are strings, and both are needed")
    try:
        return await credentials.by_pair(ctx, CredentialKind.USER, login.name, login.password, dialect=NAME)
    except NotAuthenticated as error:
        raise WrongPassword(str(error)) from None
