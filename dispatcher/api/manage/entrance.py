"""
The door of the management API: operators only, asked for before anything of a request is judged.

An operator shows a token, or the name and password of a console login.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Annotated, Any

import structlog
from fastapi import Depends, Path, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPBase
from fastapi.security.utils import get_authorization_scheme_param
from starlette.types import Message

from dispatcher.api.admission import by_address, guarded
from dispatcher.api.body import read_object
from dispatcher.api.door import PROBLEM, Claim, Door, problem
from dispatcher.api.failure import Failure
from dispatcher.api.manage.fields import Plain
from dispatcher.api.manage.words import arrival, wording
from dispatcher.api.runtime import Ctx, runtime
from dispatcher.domain.errors import InvalidFields, NotAuthenticated, RateLimited
from dispatcher.domain.submission import Account
from dispatcher.service import accounts, credentials
from dispatcher.service.context import Context
from dispatcher.service.credentials import MANAGE, Operator

log = structlog.get_logger()

PREFIX = "/manage/v1"
_STREAMED = re.compile(r"/accounts/[^/]+/audiences\Z")
Tags = list[str | Enum]


def _envelope(failure: Failure) -> object:
    """Give a problem; that of a campaign's plan, or of routes, names each field that is wrong."""
    if not isinstance(failure.error, InvalidFields):
        return problem(failure)
    faults = [{"field": fault.field, "detail": fault.sentence} for fault in failure.error.faults]
    return {**problem(failure), "faults": faults}


door = Door(
    MANAGE,
    title="Management API",
    description="For operators: accounts and all that is theirs, messages, callbacks, lanes and routes.",
    claims=(Claim(PREFIX), Claim(f"{PREFIX}/accounts", bulk=True, streamed=_STREAMED)),
    envelope=_envelope,
    media_type=PROBLEM,
    docs=PREFIX,
    challenge='Bearer realm="manage", Basic realm="manage"',
    wording=wording,
    arrival=arrival,
)

_PROBLEM = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "faults": {  # of a campaign's plan, and of routes
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
                "required": ["field", "detail"],
            },
        },
    },
    "required": ["type", "title", "status", "detail"],
}


def problems(**told: str) -> dict[int | str, dict[str, Any]]:
    """Describe failures: `_404="no such account"`; each is a problem of RFC 9457."""
    content = {PROBLEM: {"schema": _PROBLEM}}
    return {code.removeprefix("_"): {"description": text, "content": content} for code, text in told.items()}


async def _account(
    name: Annotated[Plain, Path(description="The account's name.")],
    ctx: Ctx,
) -> Account:
    return await accounts.find(ctx, name)


Named = Annotated[Account, Depends(_account)]
"""The account that the path names."""


async def _acting(request: Request) -> str:
    return str(request.state.operator)


Acting = Annotated[str, Depends(_acting)]
"""The name of the operator who asks."""


class _Guarded(APIRoute):
    """A route for operators. What they change is logged with their name."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def admit(request: Request) -> Response:
            ctx = runtime(request).ctx
            operator = await guarded(request, ctx, _operator(request, ctx))
            request.state.operator = operator.name
            if self.body_field is not None:
                request = await _as_json(request)
            request.state.operator = operator.name
            response = await handle(request)
            if request.method != "GET":
                log.info(
                    "operator_acted", operator=operator.name, method=request.method, route=self.path_format
                )
            return response

        return admit


async def _operator(request: Request, ctx: Context) -> Operator:
    scheme, shown = get_authorization_scheme_param(request.headers.get("authorization"))
    match scheme.lower():
        case "bearer":
            return await credentials.operator_by_token(ctx, shown.strip())
        case "basic":
            name, password = _pair(shown.strip())
            await _insist_on_quota(request, ctx)
            return await credentials.operator_by_password(ctx, name, password)
    raise NotAuthenticated("an operator's token or console login is required")


async def _insist_on_quota(request: Request, ctx: Context) -> None:
    """Refuse an address that has failed too often before its next guess costs us an argon2 check."""
    quota = await by_address(request.scope, ctx, cost=0)
    if quota.retry_after is not None:
        raise RateLimited("too many failed logins from this address", retry_after=quota.retry_after)


def _pair(encoded: str) -> tuple[str, str]:
    try:
        name, colon, password = b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        name, colon, password = "", "", ""
    if not colon or "\0" in name:
        raise NotAuthenticated("this is no name and password as HTTP Basic has them")
    return name, password


async def _as_json(request: Request) -> Request:
    """Read the body as every dialect does: JSON, whatever its content type says."""
    await read_object(request)
    body = await request.body()
    others = [(name, value) for name, value in request.scope["headers"] if name != b"content-type"]

    async def replay() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [*others, (b"content-type", b"application/json")]
    return Request({**request.scope, "headers": headers}, replay)


# Asks for nothing: `_Guarded` has asked before. They tell OpenAPI how an operator is known.
_TOLD = (
    HTTPBearer(scheme_name="token", description="An operator's token.", auto_error=False),
    HTTPBase(scheme="basic", scheme_name="login", description="A console login.", auto_error=False),
)


door.app.router.route_class = _Guarded
door.app.router.dependencies = [Security(told) for told in _TOLD]
door.app.router.responses = problems(
    _400="A parameter or the body is wrong",
    _401="No operator's credential",
    _429="Too many failures from this address",
    default="Any other failure",
)
