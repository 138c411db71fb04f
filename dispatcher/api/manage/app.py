"""
The management API's application: FastAPI behind the router, for operators only.

An operator shows a token, or the name and password of a console login, and is
authenticated before anything else of a request is judged.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

import structlog
from fastapi import Depends, FastAPI, Path, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPBase
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from dispatcher.api.auth import count_by_address, limit_failures, read_authorization
from dispatcher.api.dialect import Dialect
from dispatcher.api.errors import PROBLEM, ErrorResponse, problem
from dispatcher.api.manage.context import Ctx
from dispatcher.api.manage.fields import Plain
from dispatcher.api.manage.mapping import arrival, wording
from dispatcher.api.operations import MountPoint
from dispatcher.api.request_body import Json, read_object
from dispatcher.api.runtime import context_of
from dispatcher.domain.accounts.account import Account
from dispatcher.domain.errors import DispatchError, InvalidFields, NotAuthenticated, RateLimited
from dispatcher.service.accounts import accounts, operators
from dispatcher.service.accounts.credentials import MANAGE
from dispatcher.service.accounts.operators import Operator

log = structlog.get_logger()

PREFIX = "/manage/v1"
_STREAMED = re.compile(r"/accounts/[^/]+/audiences\Z")
_DESCRIPTION = "For operators: accounts and all that is theirs, messages, callbacks, lanes and routes."
Tags = list[str | Enum]

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


def problems(**texts: str) -> dict[int | str, dict[str, Any]]:
    """Describe failures: `_404="no such account"`; each is a problem of RFC 9457."""
    content = {PROBLEM: {"schema": _PROBLEM}}
    return {code.removeprefix("_"): {"description": text, "content": content} for code, text in texts.items()}


def _envelope(error: ErrorResponse) -> object:
    """Return a problem; that of a campaign's plan, or of routes, names each field that is wrong."""
    if not isinstance(error.error, InvalidFields):
        return problem(error)
    faults = [{"field": fault.field, "detail": fault.sentence} for fault in error.error.faults]
    return {**problem(error), "faults": faults}


@dataclass(frozen=True, slots=True)
class _Login:
    """The name and password of a console login."""

    name: str
    password: str


class _JsonRequest(Request):
    """A request whose body is JSON, whatever its content type says, from when FastAPI asks for it."""

    _content: bytes | None = None

    async def body(self) -> bytes:
        """Return the body. Raises HTTPException, 400 or 415, when it is not a JSON object."""
        if self._content is None:
            sent = Request(self.scope, self.receive)
            await read_object(sent)
            self._content = await sent.body()
            others = [(name, value) for name, value in self.scope["headers"] if name != b"content-type"]
            self.scope["headers"] = [*others, (b"content-type", b"application/json")]
        return self._content


class _OperatorRoute(APIRoute):
    """A route for operators. What they change is logged with their name."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def authenticated(request: Request) -> Response:
            operator = await limit_failures(request, _operator(request))
            request.state.operator = operator.name
            response = await handle(_JsonRequest(request.scope, request.receive))
            if request.method != "GET":
                log.info("operator_acted", operator=operator.name, method=request.method, route=self.path)
            return response

        return authenticated


# They check nothing: `_OperatorRoute` authenticates. They describe in OpenAPI how an operator does it.
_SCHEMES = (
    HTTPBearer(scheme_name="token", description="An operator's token.", auto_error=False),
    HTTPBase(scheme="basic", scheme_name="login", description="A console login.", auto_error=False),
)


class ManagementApi(Dialect):
    """The management API: an application of FastAPI, `app`, with the error format and pages of a dialect."""

    def __init__(self) -> None:
        super().__init__(
            MANAGE,
            title="Management API",
            mounts=(MountPoint(PREFIX), MountPoint(f"{PREFIX}/accounts", bulk=True, streamed=_STREAMED)),
            envelope=_envelope,
            media_type=PROBLEM,
            docs=PREFIX,
            challenge='Bearer realm="manage", Basic realm="manage"',
            event_formatter=wording,
            inbound_formatter=arrival,
        )
        self.app = FastAPI(
            title=self.title,
            description=_DESCRIPTION,
            openapi_url=None,
            redirect_slashes=False,  # a redirect breaks a POST
            default_response_class=Json,
            dependencies=[Security(scheme) for scheme in _SCHEMES],
            responses=problems(
                _400="A parameter or the body is wrong",
                _401="No operator's credential",
                _429="Too many failures from this address",
                default="Any other failure",
            ),
        )
        self.app.router.route_class = _OperatorRoute
        for kind in (DispatchError, HTTPException, RequestValidationError, Exception):
            self.app.add_exception_handler(kind, self._handle_error)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path in (self.docs_url, self.openapi_url):
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Return FastAPI's document without the 422 of each parameter: here that is 400."""
        document = self.app.openapi()
        for operation in (o for path in document["paths"].values() for o in path.values()):
            content = operation["responses"].get("422", {}).get("content", {})
            if "HTTPValidationError" in str(content):
                del operation["responses"]["422"]
        schemas = document.get("components", {}).get("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        return document

    async def _handle_error(self, request: Request, error: Exception) -> Response:
        if isinstance(error, RequestValidationError):
            error = _unreadable(error)
        response = self.answer_error(request.scope, error)
        if response.status_code == 405:
            response.headers["Allow"] = self._allowed(request)
        return response

    def _allowed(self, request: Request) -> str:
        """Return all methods of a path: routes that share one each know only their own."""
        methods: set[str] = set()
        for route in self.app.routes:
            match, _ = route.matches(request.scope)
            if match is not Match.NONE:
                methods |= getattr(route, "methods", None) or set()
        return ", ".join(sorted(methods))


def _unreadable(error: RequestValidationError) -> HTTPException:
    """Return 404 for a path that names nothing, 400 for a parameter or body that is wrong."""
    faults = error.errors()
    if any(fault["loc"][0] == "path" for fault in faults):
        return HTTPException(404)
    lines = (f"{'.'.join(map(str, fault['loc'][1:]))}: {fault['msg']}" for fault in faults)
    return HTTPException(400, "; ".join(lines))


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


async def _operator(request: Request) -> Operator:
    ctx, shown = context_of(request), read_authorization(request)
    match shown.scheme:
        case "bearer":
            return await operators.by_token(ctx, shown.credentials)
        case "basic":
            login = _read_login(shown.credentials)
            await _check_failures(request)
            return await operators.by_password(ctx, login.name, login.password)
    raise NotAuthenticated("an operator's token or console login is required")


async def _check_failures(request: Request) -> None:
    """Refuse an address that has failed too often before its next guess costs us an argon2 check."""
    quota = await count_by_address(request.scope, context_of(request), cost=0)
    if quota.retry_after is not None:
        raise RateLimited("too many failed logins from this address", retry_after=quota.retry_after)


def _read_login(encoded: str) -> _Login:
    try:
        name, colon, password = b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        name, colon, password = "", "", ""
    if not colon or "\0" in name:
        raise NotAuthenticated("this is no name and password as HTTP Basic has them")
    return _Login(name, password)


management = ManagementApi()
app = management.app
