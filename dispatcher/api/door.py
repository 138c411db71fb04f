"""
A door: one application behind the front, with the paths it claims and its words for a failure.

Each dialect is one, and so are health, receipts and the list of dialects.
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from dispatcher.api.failure import Failure, failure_of
from dispatcher.api.straight import Straight
from dispatcher.domain.errors import DispatchError, Misconfigured
from dispatcher.domain.quota import Quota
from dispatcher.service.callbacks import ArrivalWording, Wording

log = structlog.get_logger()

QuotaHeaders = Callable[[Quota, datetime], Mapping[str, str]]
"""Tells a quota, and the time now, in the headers of a dialect."""

Envelope = Callable[[Failure], object]
"""Gives the body of a failure, to be written as JSON."""


@dataclass(frozen=True, slots=True)
class Claim:
    """
    A path and all below it, whole and unstripped. `bulk` allows the larger body.

    Paths in which `streamed` is found take a body of any size: the door must
    read it bit by bit, and not before it knows who sends it.
    """

    path: str
    bulk: bool = False
    streamed: re.Pattern[str] | None = None


ASSETS = "/docs/assets"
"""Where the pages' scripts and styles are."""


_written = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class Json(JSONResponse):
    """Real characters, not escapes; half a surrogate pair, which UTF-8 cannot write, comes out as "?"."""

    media_type = "application/json; charset=utf-8"

    def render(self, content: object) -> bytes:
        """Write UTF-8."""
        return _written(content).encode("utf-8", "replace")


class _App(FastAPI):
    """FastAPI without the 422 it documents for each parameter: our doors answer in words of their own."""

    def openapi(self) -> dict[str, Any]:
        """Give the OpenAPI document."""
        if self.openapi_schema is None:
            document = super().openapi()
            for operation in (o for path in document["paths"].values() for o in path.values()):
                content = operation["responses"].get("422", {}).get("content", {})
                if "HTTPValidationError" in str(content):
                    del operation["responses"]["422"]
            schemas = document.get("components", {}).get("schemas", {})
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
        assert self.openapi_schema is not None
        return self.openapi_schema


class Door:
    """
    Add routes to `app`; every failure under its claims leaves in its `envelope`.

    `docs` is the path under which its OpenAPI and its page are, None for
    none, and `catalog` that of its API catalogue (RFC 9727), which every
    answer names. `challenge` is what a 401 names as WWW-Authenticate. With
    `quota_headers` every answer tells where its caller stands. `wording`
    words the callbacks of messages that were submitted here, `arrival` those
    of messages from handsets.
    """

    def __init__(
        self,
        name: str,
        *,
        title: str,
        claims: Sequence[Claim],
        envelope: Envelope,
        description: str = "",
        docs: str | None = None,
        catalog: str | None = None,
        challenge: str | None = None,
        media_type: str = Json.media_type,
        quota_headers: QuotaHeaders | None = None,
        wording: Wording | None = None,
        arrival: ArrivalWording | None = None,
    ) -> None:
        self.name = name
        self.title = title
        self.claims = tuple(claims)
        self.docs_url = None if docs is None else f"{docs}/docs"
        self._envelope = envelope
        self._challenge = challenge
        self._media_type = media_type
        self.catalog = catalog
        self.quota_headers = quota_headers
        self.wording = wording
        self.arrival = arrival
        self.app: FastAPI = _App(
            title=title,
            description=description,
            openapi_url=None if docs is None else f"{docs}/openapi.json",
            docs_url=None,
            redoc_url=None,
            swagger_ui_oauth2_redirect_url=None,
            redirect_slashes=False,  # a redirect breaks a POST
            default_response_class=Json,
        )
        if self.docs_url is not None:
            self.app.add_api_route(self.docs_url, self._page, include_in_schema=False)
        for kind in (DispatchError, HTTPException, RequestValidationError, Exception):
            self.app.add_exception_handler(kind, self._handler())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._straight(scope, receive, send)

    @cached_property
    def _straight(self) -> Straight:
        """Look at the routes when the first request comes: then all are there."""
        return Straight(self.app)

    def refuse(self, failure: Failure) -> Response:
        """Build the answer that says what went wrong."""
        headers = dict(failure.headers)
        if failure.status == 401 and self._challenge is not None:
            headers["WWW-Authenticate"] = self._challenge
        body = self._envelope(failure)
        return Json(body, failure.status, headers=headers, media_type=self._media_type)

    async def _page(self, request: Request) -> Response:
        """Show the API in a browser; the assets are our own, so it works without the Internet."""
        root = request.scope.get("root_path", "")
        return get_swagger_ui_html(
            openapi_url=f"{root}{self.app.openapi_url}",
            title=self.title,
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon.png",
        )

    def _handler(self) -> Callable[[Request, Exception], Awaitable[Response]]:
        async def handle(request: Request, error: Exception) -> Response:
            if isinstance(error, Misconfigured):
                log.error("misconfigured", error=str(error))  # its client learns nothing of it
            response = self.refuse(failure_of(error))
            if response.status_code == 405:
                response.headers["Allow"] = self._allowed(request)
            return response

        return handle

    def _allowed(self, request: Request) -> str:
        """Name all methods of a path: routes that share one each know only their own."""
        methods: set[str] = set()
        for route in self.app.routes:
            match, _ = route.matches(request.scope)
            if match is not Match.NONE:
                methods |= getattr(route, "methods", None) or set()
        return ", ".join(sorted(methods))


def problem(failure: Failure) -> dict[str, object]:
    """Give RFC 9457 problem details: the envelope of what is no dialect."""
    return {
        "type": "about:blank",
        "title": failure.status.phrase,
        "status": failure.status.value,
        "detail": failure.message,
    }


PROBLEM = "application/problem+json"
