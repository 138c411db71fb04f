"""The routers of the management API: operators only, and bodies that are always JSON."""

from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from dispatcher.api.manage.auth import authenticate_operator
from dispatcher.api.request_body import read_object

log = structlog.get_logger()

PREFIX = "/manage/v1"


class _JsonRequest(Request):
    """A request whose body is JSON, whatever its content type says, once FastAPI reads it."""

    _content: bytes | None = None

    async def body(self) -> bytes:
        """Return the body. Raises HTTPException, 400 or 415, when it is not a JSON object."""
        if self._content is None:
            received = Request(self.scope, self.receive)
            await read_object(received)
            self._content = await received.body()
            others = [(name, value) for name, value in self.scope["headers"] if name != b"content-type"]
            self.scope["headers"] = [*others, (b"content-type", b"application/json")]
        return self._content


class _OperatorRoute(APIRoute):
    """A route that authenticates the operator before FastAPI validates the request, and logs changes."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def authenticated(request: Request) -> Response:
            operator = await authenticate_operator(request)
            request.state.operator = operator.name
            response = await handle(_JsonRequest(request.scope, request.receive))
            if request.method != "GET":
                log.info("operator_acted", operator=operator.name, method=request.method, route=self.path)
            return response

        return authenticated


def operator_router(tag: str) -> APIRouter:
    """Return a router whose routes are for operators, all with this tag in OpenAPI; paths are full paths."""
    return APIRouter(route_class=_OperatorRoute, tags=[tag])
