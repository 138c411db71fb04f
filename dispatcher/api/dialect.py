"""A dialect: an API for clients, with its OpenAPI document and a page that shows it."""

import asyncio
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dispatcher.api.openapi import document
from dispatcher.api.operations import Envelope, MountedApp, MountPoint, Operation, QuotaHeaders
from dispatcher.api.pages.headers import HtmlPage
from dispatcher.api.proxies.root_path import public_root
from dispatcher.api.request_body import Json
from dispatcher.service.callbacks.sender import EventFormatter, InboundFormatter

ASSETS = "/docs/assets"
"""The path of the scripts and styles of all pages."""


class Dialect(MountedApp):
    """
    An API for clients.

    Its OpenAPI document and page are below the path `docs`. Every response links to
    `catalog`, its API catalogue (RFC 9727), and has the `quota_headers` of the
    client. `event_formatter` formats the callbacks of messages that were submitted
    in this dialect, `inbound_formatter` those of messages from handsets.
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

    async def docs_page(self, request: Request) -> HtmlPage:
        """Return the page that shows the API; all its files are served here, so it needs no Internet."""
        assets = public_root(request.scope) + ASSETS
        page = get_swagger_ui_html(
            openapi_url=f"{request.scope.get('root_path', '')}{self.openapi_url}",
            title=self.title,
            swagger_js_url=f"{assets}/swagger-ui-bundle.js",
            swagger_css_url=f"{assets}/swagger-ui.css",
            swagger_favicon_url=f"{assets}/favicon.png",
        )
        return HtmlPage(bytes(page.body).decode())

    async def _openapi_page(self, request: Request) -> Response:
        """Return the OpenAPI document, which names the root path and the prefix of a moved dialect."""
        root = request.scope.get("root_path", "")
        servers = {"servers": [{"url": root}]} if root else {}
        # In a thread: the first one takes a third of a second, which other requests need not wait.
        made = await asyncio.to_thread(lambda: self._document)
        return JSONResponse(made | servers)

    @cached_property
    def _document(self) -> dict[str, Any]:
        """The OpenAPI document, made once: anybody may ask for it."""
        return self.openapi()
