"""
The applications behind the router: each has the paths it serves, its operations and its error format.

A `Dialect` is an API for clients, with an OpenAPI document and a page that shows
it. Health, receipts and the overview of the dialects are a plain `MountedApp`.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from dispatcher.api.errors import ErrorResponse, describe_error
from dispatcher.api.json_response import Json
from dispatcher.api.openapi import document
from dispatcher.api.operations import Operation, Operations
from dispatcher.domain.accounts.rate_limit import RateLimitStatus
from dispatcher.domain.errors import DispatchError, Misconfigured
from dispatcher.service.callbacks.sender import EventFormatter, InboundFormatter

log = structlog.get_logger()

QuotaHeaders = Callable[[RateLimitStatus, datetime], Mapping[str, str]]
"""Returns the headers of a dialect for a quota and the time now."""

Envelope = Callable[[ErrorResponse], object]
"""Returns the body of an error, to be written as JSON."""

ASSETS = "/docs/assets"
"""The path of the scripts and styles of all pages."""

PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True)
class MountPoint:
    """
    A path that an application serves, with all below it. `bulk` allows the larger body.

    A path in which `streamed` is found takes a body of any size: its handler must
    read it piece by piece, and only after it has authenticated the client.
    """

    path: str
    bulk: bool = False
    streamed: re.Pattern[str] | None = None


class MountedApp:
    """
    An ASGI application behind the router: it serves `operations`, and every error leaves in its `envelope`.

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
        """Serve one request. An error that nobody foresaw is answered, and raised all the same."""
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
        """Return the response that says what went wrong."""
        headers = dict(error.headers)
        if error.status == 401 and self._challenge is not None:
            headers["WWW-Authenticate"] = self._challenge
        return Json(self._envelope(error), error.status, headers=headers, media_type=self._media_type)


class Dialect(MountedApp):
    """
    An API for clients.

    Its OpenAPI document and page are below the path `docs`. Every response names
    `catalog`, its API catalogue (RFC 9727), and has the `quota_headers` of the
    client. `event_formatter` formats the callbacks of messages that were submitted
    here, `inbound_formatter` those of messages from handsets.
    """

    def __init__(
        self,
        name: str,
        *,
        title: str,
        mounts: Sequence[MountPoint],
        envelope: Envelope,
        docs: str,
        operations: Iterable[Operation] = (),
        description: str = "",
        catalog: str | None = None,
        challenge: str | None = None,
        media_type: str = Json.media_type,
        quota_headers: QuotaHeaders | None = None,
        event_formatter: EventFormatter | None = None,
        inbound_formatter: InboundFormatter | None = None,
    ) -> None:
        super().__init__(
            name,
            title=title,
            mounts=mounts,
            envelope=envelope,
            operations=operations,
            challenge=challenge,
            media_type=media_type,
        )
        self.description = description
        self.docs_url = f"{docs}/docs"
        self.openapi_url = f"{docs}/openapi.json"
        self.catalog = catalog
        self.quota_headers = quota_headers
        self.event_formatter = event_formatter
        self.inbound_formatter = inbound_formatter
        self.operations.add("GET", self.docs_url, is_documented=False)(self.docs_page)
        for method in ("GET", "HEAD"):
            self.operations.add(method, self.openapi_url, is_documented=False)(self._openapi_page)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        return document(self.title, self.description, self.operations)

    async def docs_page(self, request: Request) -> HTMLResponse:
        """Show the API in a browser; the assets are our own, so it works without the Internet."""
        return get_swagger_ui_html(
            openapi_url=f"{request.scope.get('root_path', '')}{self.openapi_url}",
            title=self.title,
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon.png",
        )

    async def _openapi_page(self, request: Request) -> Response:
        """Return the document, which names the path that the dialect was moved below."""
        root = request.scope.get("root_path", "")
        servers = {"servers": [{"url": root}]} if root else {}
        return JSONResponse(self.openapi() | servers)


def problem(error: ErrorResponse) -> dict[str, object]:
    """Return RFC 9457 problem details: the envelope of all that is not a dialect."""
    return {
        "type": "about:blank",
        "title": error.status.phrase,
        "status": error.status.value,
        "detail": error.message,
    }
