"""
The operations of an HTTP API, and the application that serves them.

An operation has its path, method, handler and OpenAPI description in one place. A
handler takes a Starlette request and returns a response. It reads the request
itself: there is no layer between it and the router.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

import structlog
from starlette.convertors import Convertor
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send

from dispatcher.api.errors import ErrorResponse, describe_error
from dispatcher.api.request_body import Json
from dispatcher.domain.accounts.rate_limit import RateLimitStatus
from dispatcher.domain.errors import DispatchError, Misconfigured

log = structlog.get_logger()

Handler = Callable[[Request], Awaitable[Response]]
H = TypeVar("H", bound=Handler)

QuotaHeaders = Callable[[RateLimitStatus, datetime], Mapping[str, str]]
"""Returns the headers of a dialect for a quota, given the current time."""

Envelope = Callable[[ErrorResponse], object]
"""Returns the body of an error, to be written as JSON."""


def local_path(scope: Scope) -> str:
    """Return the path of a request without the prefix that its application is moved below."""
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


@dataclass(frozen=True, slots=True)
class SecurityScheme:
    """A way to authenticate: its name in the OpenAPI document, and its definition there."""

    name: str
    definition: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """
    One method of one path.

    `request` is the request in OpenAPI (`requestBody`, `parameters`), `responses`
    the response for each status. `security` lists the schemes of which one is
    enough.
    """

    method: str
    path: str
    handler: Handler
    summary: str = ""
    request: Mapping[str, Any] = field(default_factory=dict)
    responses: Mapping[int | str, Mapping[str, Any]] = field(default_factory=dict)
    security: Sequence[SecurityScheme] = ()
    tags: Sequence[str] = ()
    is_deprecated: bool = False
    is_documented: bool = True


@dataclass(frozen=True, slots=True)
class _TemplateOperation:
    """An operation whose path has parameters, with those of its own path by name."""

    operation: Operation
    convertors: Mapping[str, Convertor[Any]]
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class _Template:
    """A path with parameters, whatever they are named, and its operations by method."""

    pattern: re.Pattern[str]
    by_method: dict[str, _TemplateOperation] = field(default_factory=dict)


_PARAMETER_NAME = re.compile(r"\?P<\w+>")


class Operations:
    """
    A list of operations, which finds one by method and path.

    `tags` and `security` apply to operations that are added without their own.
    """

    def __init__(self, *, tags: Sequence[str] = (), security: Sequence[SecurityScheme] = ()) -> None:
        self._tags = tags
        self._security = security
        self._all: list[Operation] = []
        self._by_path: dict[str, dict[str, Operation]] = {}
        self._templates: dict[str, _Template] = {}

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._all)

    def add(
        self,
        method: str,
        path: str,
        *,
        summary: str = "",
        request: Mapping[str, Any] | None = None,
        responses: Mapping[int | str, Mapping[str, Any]] | None = None,
        security: Sequence[SecurityScheme] | None = None,
        is_deprecated: bool = False,
        is_documented: bool = True,
    ) -> Callable[[H], H]:
        """Return a decorator that adds an operation; the docstring of its handler is its description."""

        def decorate(handler: H) -> H:
            operation = Operation(
                method=method,
                path=path,
                handler=handler,
                summary=summary,
                request=request or {},
                responses=responses or {},
                security=self._security if security is None else security,
                tags=self._tags,
                is_deprecated=is_deprecated,
                is_documented=is_documented,
            )
            self._append(operation)
            return handler

        return decorate

    def include(self, others: Iterable[Operation], *, prefix: str = "", is_documented: bool = True) -> None:
        """Add the operations of another list, each below `prefix`."""
        for other in others:
            documented = is_documented and other.is_documented
            self._append(replace(other, path=prefix + other.path, is_documented=documented))

    def find(self, scope: Scope) -> Handler:
        """
        Return the handler of a request, with the path's parameters in its scope.

        A path without parameters wins over paths with some; of those, the one that was
        added first wins. The others are other resources, and answer none of its methods.
        Raises HTTPException: 405 with all methods of the path, else 404.
        """
        method, path = scope["method"], local_path(scope)
        if (plain := self._by_path.get(path)) is not None:
            if (operation := plain.get(method)) is not None:
                return operation.handler
            raise _not_allowed(plain)
        for template in self._templates.values():
            if template.pattern.match(path):
                return _handler(template, scope, path)
        raise HTTPException(404)

    def _append(self, operation: Operation) -> None:
        self._all.append(operation)
        pattern, _, convertors = compile_path(operation.path)
        if convertors:
            shape = _PARAMETER_NAME.sub("", pattern.pattern)
            template = self._templates.setdefault(shape, _Template(pattern))
            template.by_method.setdefault(
                operation.method, _TemplateOperation(operation, convertors, pattern)
            )
        else:
            self._by_path.setdefault(operation.path, {}).setdefault(operation.method, operation)


def _handler(template: _Template, scope: Scope, path: str) -> Handler:
    """Return the handler of a path that matches, with its parameters in the scope. Raises 405."""
    found = template.by_method.get(scope["method"])
    if found is None or (matched := found.pattern.match(path)) is None:
        raise _not_allowed(template.by_method)
    values = matched.groupdict()
    scope["path_params"] = {
        name: convertor.convert(values[name]) for name, convertor in found.convertors.items()
    }
    return found.operation.handler


def _not_allowed(methods: Iterable[str]) -> HTTPException:
    return HTTPException(405, headers={"Allow": ", ".join(sorted(methods))})


@dataclass(frozen=True, slots=True)
class MountPoint:
    """
    A path that an application serves, with all paths below it. `bulk` allows the larger body.

    A path that `streamed` matches takes a body of any size: its handler must read it
    chunk by chunk, and only after it has authenticated the client. `is_signed` means
    that a body itself proves who sent it: it is read before the client is known.
    """

    path: str
    bulk: bool = False
    streamed: re.Pattern[str] | None = None
    is_signed: bool = False


class MountedApp:
    """
    An ASGI application behind the router: it serves `operations`, and puts every error into its `envelope`.

    `challenge` is the WWW-Authenticate header of a 401.
    """

    docs_url: str | None = None
    catalog: str | None = None
    quota_headers: QuotaHeaders | None = None

    def __init__(
        self,
        name: str,
        *,
        title: str,
        mounts: Sequence[MountPoint],
        envelope: Envelope,
        operations: Iterable[Operation] = (),
        challenge: str | None = None,
        media_type: str = Json.media_type,
    ) -> None:
        self.name = name
        self.title = title
        self.mounts = tuple(mounts)
        self.operations = Operations()
        self.operations.include(operations)
        self._envelope = envelope
        self._challenge = challenge
        self._media_type = media_type

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. An unexpected error is answered, and then raised for the log."""
        request = Request(scope, receive)
        try:
            response = await self.operations.find(scope)(request)
        except ClientDisconnect:
            raise
        except (DispatchError, HTTPException) as error:
            response = self.answer_error(scope, error)
        except Exception as error:
            await self.answer_error(scope, error)(scope, receive, send)
            raise
        await response(scope, receive, send)

    def answer_error(self, scope: Scope, error: Exception) -> Response:
        """Return the response to an error that a handler raised."""
        if isinstance(error, Misconfigured):
            log.error("misconfigured", error=str(error))  # the client does not see it
        return self.refuse(scope, describe_error(error))

    def refuse(self, scope: Scope, error: ErrorResponse) -> Response:
        """Return the response for an error, in the format of this application."""
        headers = dict(error.headers)
        if error.status == 401 and self._challenge is not None:
            headers["WWW-Authenticate"] = self._challenge
        return Json(self._envelope(error), error.status, headers=headers, media_type=self._media_type)
