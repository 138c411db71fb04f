"""Who calls: by user name and password in v1, by key in v2, by either where keys are made."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, APIKeyQuery, HTTPBasic, HTTPBasicCredentials
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from dispatcher.api.admission import admit, by_address
from dispatcher.api.body import query_fields, read_fields
from dispatcher.api.dialects.formpost.words import NoCredential, NoKey, WrongPassword
from dispatcher.api.runtime import Ctx
from dispatcher.domain.credential import CredentialKind
from dispatcher.domain.errors import NotAuthenticated
from dispatcher.domain.submission import Caller
from dispatcher.service import credentials
from dispatcher.service.context import Context

NAME = "formpost"

PER_MINUTE = 60
"""The requests a minute of an account that has no rate of its own."""


@dataclass(frozen=True, slots=True)
class Asked:
    """
    The fields of a request: those of the query, and over them those of the body.

    `fault` is what is wrong with the body. It is raised when the caller is
    known, for credentials may be among the fields.
    """

    fields: Mapping[str, object]
    fault: HTTPException | None = None


async def _asked(request: Request) -> Asked:
    fields: Mapping[str, object] = {}
    try:
        fields = query_fields(request)
        if request.method == "GET":
            return Asked(fields)
        return Asked({**fields, **await read_fields(request)})
    except HTTPException as fault:
        if fault.status_code not in (400, 415):
            raise
        return Asked(fields, fault)


class _Basic(HTTPBasic):
    """Reads what is no pair as one that nobody has: a wrong guess, and counted as one."""

    async def __call__(self, request: HTTPConnection) -> HTTPBasicCredentials | None:  # type: ignore[override]
        try:
            return await super().__call__(request)
        except HTTPException:
            return HTTPBasicCredentials(username="", password="")


AskedFields = Annotated[Asked, Depends(_asked)]
KeyHeader = Annotated[
    str | None,
    Security(APIKeyHeader(name="X-API-Key", auto_error=False, description="The API key of the account.")),
]
KeyParameter = Annotated[
    str | None,
    Security(APIKeyQuery(name="api_key", auto_error=False, description="The same; a body may have it too.")),
]
Basic = Annotated[
    HTTPBasicCredentials | None,
    Security(_Basic(scheme_name="HTTPBasic", auto_error=False, description="User name and password.")),
]


async def _user(request: Request, ctx: Ctx, asked: AskedFields) -> Caller:
    pair = asked.fields.get("username"), asked.fields.get("password")
    return await _admitted(request, ctx, asked, _by_password(ctx, *pair))


async def _key_holder(
    request: Request, ctx: Ctx, asked: AskedFields, header: KeyHeader, _: KeyParameter
) -> Caller:
    key = header or asked.fields.get("api_key")
    return await _admitted(request, ctx, asked, _by_key(ctx, key))


async def _key_manager(
    request: Request, ctx: Ctx, asked: AskedFields, header: KeyHeader, _: KeyParameter, basic: Basic
) -> Caller:
    key = header or asked.fields.get("api_key")
    pair = (basic.username, basic.password) if basic else _pair(asked)
    return await _admitted(request, ctx, asked, _by_either(ctx, key, pair))


async def not_counted(request: Request, ctx: Ctx) -> None:
    """Only look at the quota of the address: a page or a preflight cannot carry a key."""
    request.state.quota = await by_address(request.scope, ctx, cost=0)


User = Annotated[Caller, Depends(_user)]
KeyHolder = Annotated[Caller, Depends(_key_holder)]
KeyManager = Annotated[Caller, Depends(_key_manager)]

_Pair = tuple[object, object]


def _pair(asked: Asked) -> _Pair | None:
    """Give the pair among the fields; half of one is a wrong one."""
    if asked.fields.keys().isdisjoint(("username", "password")):
        return None
    return asked.fields.get("username"), asked.fields.get("password")


async def _admitted(request: Request, ctx: Context, asked: Asked, checking: Awaitable[Caller]) -> Caller:
    caller = await admit(request, ctx, checking, per_minute=PER_MINUTE)
    if asked.fault is not None:
        raise asked.fault
    return caller


async def _by_either(ctx: Context, key: object, pair: _Pair | None) -> Caller:
    if pair is not None:
        return await _by_password(ctx, *pair)
    if not key:
        raise NoCredential("neither a user name and password nor an API key")
    return await _by_key(ctx, key)


async def _by_key(ctx: Context, key: object) -> Caller:
    if not key:
        raise NoKey("the request has no API key")
    if not isinstance(key, str):
        raise NotAuthenticated("an API key is a string")
    return await credentials.by_secret(ctx, CredentialKind.API_KEY, key, dialect=NAME)


async def _by_password(ctx: Context, name: object, password: object) -> Caller:
    if not (isinstance(name, str) and isinstance(password, str)):
        raise WrongPassword("user name and password are strings, and both are needed")
    try:
        return await credentials.by_pair(ctx, CredentialKind.USER, name, password, dialect=NAME)
    except NotAuthenticated as error:
        raise WrongPassword(str(error)) from None
