"""
The straight way to a route: past FastAPI, where nothing of the request is FastAPI's to read.

FastAPI describes every route. The layers it has around an endpoint, for what a
submit and a receipt never need, cost a fifth of one; so a route whose endpoint,
and all that this depends on, want only the request and one another is called
directly. All others are FastAPI's.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from inspect import iscoroutinefunction, signature
from typing import Any

from fastapi import FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send


class Straight:
    """The ASGI application that stands before that of a door; make it when the door has all its routes."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._fixed: dict[tuple[str, str], _Call] = {}
        self._others: list[tuple[Route, _Call]] = []
        for route, call in _calls(app):
            if route.param_convertors:
                self._others.append((route, call))
            else:
                for method in route.methods or ():
                    self._fixed.setdefault((method, route.path), call)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        call = self._find(scope)
        if call is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await call.answer(request, {})
        except ClientDisconnect:
            raise
        except Exception as error:  # what no handler was made for is answered, and still a crash
            kind, handle = self._handler(error)
            await (await handle(request, error))(scope, receive, send)
            if kind is Exception:
                raise
        else:
            assert isinstance(response, Response)
            await response(scope, receive, send)

    def _find(self, scope: Scope) -> "_Call | None":
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if (call := self._fixed.get((scope["method"], path))) is not None:
            return call
        for route, call in self._others:
            match, more = route.matches(scope)
            if match is Match.FULL:
                scope.update(more)
                return call
        return None

    def _handler(self, error: Exception) -> tuple[type, Callable[[Request, Exception], Awaitable[Response]]]:
        handlers: Any = self._app.exception_handlers
        kind = next(kind for kind in type(error).__mro__ if kind in handlers)
        return kind, handlers[kind]


@dataclass(frozen=True, slots=True)
class _Call:
    """
    A function that wants the request, by that name, and what others give.

    What has no name is only called.
    """

    function: Callable[..., Awaitable[object]]
    request_as: str | None
    wants: tuple[tuple[str | None, "_Call"], ...] = ()

    async def answer(self, request: Request, known: dict[Callable[..., object], object]) -> object:
        """Call it, after all it wants; each function once for a request."""
        values: dict[str, object] = {}
        for name, other in self.wants:
            if other.function not in known:
                known[other.function] = await other.answer(request, known)
            if name is not None:
                values[name] = known[other.function]
        if self.request_as is not None:
            values[self.request_as] = request
        return await self.function(**values)


def _calls(app: FastAPI) -> Iterator[tuple[Route, _Call]]:
    """Give the routes that can be called so; one of another class does more than its endpoint."""
    for route in () if app.user_middleware else app.routes:  # what stands before all routes sees all requests
        if type(route) is APIRoute and route.response_field is None:
            if not route.param_convertors and (call := _call(route.dependant)) is not None:
                yield route, call
        elif type(route) is Route and iscoroutinefunction(route.endpoint):
            yield route, _Call(route.endpoint, next(iter(signature(route.endpoint).parameters)))


def _call(wanted: Dependant) -> _Call | None:
    """Read what FastAPI found out about a function; None if it is FastAPI that has to give it something."""
    theirs = (
        wanted.path_params, wanted.query_params, wanted.header_params, wanted.cookie_params,
        wanted.body_params, wanted.response_param_name, wanted.background_tasks_param_name,
        wanted.security_scopes_param_name, wanted.websocket_param_name, not wanted.use_cache,
    )  # fmt: skip
    function = wanted.call
    if function is None or any(theirs) or not _is_coroutine(function):
        return None
    others = [(one.name, _call(one)) for one in wanted.dependencies]
    wants = tuple((name, call) for name, call in others if call is not None)
    if len(wants) < len(others):
        return None
    return _Call(function, wanted.request_param_name or wanted.http_connection_param_name, wants)


def _is_coroutine(function: Callable[..., object]) -> bool:
    return iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__)
