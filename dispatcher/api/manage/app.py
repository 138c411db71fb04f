"""The management API's application: FastAPI behind the router of all APIs, for operators only."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send

from dispatcher.api.dialect import Dialect
from dispatcher.api.errors import PROBLEM
from dispatcher.api.manage import inbound, lanes, receipts
from dispatcher.api.manage.accounts import (
    accounts,
    credentials,
    hours,
    operators,
    opt_outs,
    senders,
    templates,
)
from dispatcher.api.manage.auth import CHALLENGE, SCHEMES
from dispatcher.api.manage.callbacks import callbacks, webhooks
from dispatcher.api.manage.campaigns import audiences, campaigns
from dispatcher.api.manage.mapping import format_event, format_inbound
from dispatcher.api.manage.messages import batches, edits, messages
from dispatcher.api.manage.problems import envelope, problems
from dispatcher.api.manage.router import PREFIX
from dispatcher.api.manage.routing import providers, routes
from dispatcher.api.operations import MountPoint, local_path
from dispatcher.api.request_body import Json
from dispatcher.domain.errors import DispatchError
from dispatcher.service.accounts.credentials import MANAGE

_ENDPOINTS = (
    inbound,
    lanes,
    receipts,
    accounts,
    credentials,
    hours,
    operators,
    opt_outs,
    senders,
    templates,
    callbacks,
    webhooks,
    audiences,
    campaigns,
    batches,
    edits,
    messages,
    providers,
    routes,
)
_PAGE = re.compile(r"Page[_\[](\w+?)Response[_\]]")
_STREAMED = re.compile(r"/accounts/[^/]+/audiences\Z")
_DESCRIPTION = (
    "For operators: accounts with everything that belongs to them, messages, callbacks, lanes and routes."
)


class ManagementApi(Dialect):
    """The management API: a FastAPI application, with the error format and pages of a dialect."""

    def __init__(self) -> None:
        super().__init__(
            MANAGE,
            title="Management API",
            mounts=(MountPoint(PREFIX), MountPoint(f"{PREFIX}/accounts", bulk=True, streamed=_STREAMED)),
            envelope=envelope,
            media_type=PROBLEM,
            docs=PREFIX,
            challenge=CHALLENGE,
            event_formatter=format_event,
            inbound_formatter=format_inbound,
        )
        self._app = FastAPI(
            title=self.title,
            description=_DESCRIPTION,
            openapi_url=None,
            redirect_slashes=False,  # a redirect breaks a POST
            default_response_class=Json,
            responses=problems(
                _400="A parameter or the body is wrong",
                _401="No valid credential of an operator",
                _429="Too many failures from this address",
                default="Any other error",
            ),
        )
        for endpoints in _ENDPOINTS:
            self._app.include_router(endpoints.router)
        for kind in (DispatchError, HTTPException, Exception):
            self._app.add_exception_handler(kind, self._handle_error)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = local_path(scope)
        if path in (self.docs_url, self.openapi_url):
            await super().__call__(scope, receive, send)
        elif "{" not in path and scope["method"] not in self.methods.get(path, (scope["method"],)):
            allow = ", ".join(self.methods[path])
            await self.answer_error(scope, HTTPException(405, headers={"Allow": allow}))(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    @cached_property
    def methods(self) -> Mapping[str, Sequence[str]]:
        """
        The methods of each path; /messages/edits is no message with the id "edits".

        They are read from the routes: the document would keep the loop from others for a third of a second.
        """
        found: dict[str, set[str]] = {}
        for route in (route for endpoints in _ENDPOINTS for route in endpoints.router.routes):
            if isinstance(route, APIRoute):
                found.setdefault(route.path, set()).update(route.methods or ())
        return {path: sorted(methods) for path, methods in found.items()}

    def openapi(self) -> dict[str, Any]:
        """
        Return FastAPI's document with the ways to authenticate.

        It has no 422 for a parameter that is not valid: here that is 400. The page
        of AccountResponse is AccountPage: generators drop operations whose schemas
        have no plain name.
        """
        document: dict[str, Any] = json.loads(_PAGE.sub(r"\1Page", json.dumps(self._app.openapi())))
        for operation in (o for path in document["paths"].values() for o in path.values()):
            operation["security"] = [{scheme.name: []} for scheme in SCHEMES]
            content = operation["responses"].get("422", {}).get("content", {})
            if "HTTPValidationError" in str(content):
                del operation["responses"]["422"]
        components = document.setdefault("components", {})
        components["securitySchemes"] = {scheme.name: scheme.definition for scheme in SCHEMES}
        _remove_unused(document, components.get("schemas", {}))
        return document

    async def _handle_error(self, request: Request, error: Exception) -> Response:
        response = self.answer_error(request.scope, error)
        if response.status_code == 405:
            response.headers["Allow"] = self._allowed(local_path(request.scope))
        return response

    def _allowed(self, path: str) -> str:
        """Return all methods of a path with parameters; FastAPI names those of one of its routes."""
        resource = next(template for template in self.methods if compile_path(template)[0].match(path))
        return ", ".join(self.methods[resource])


def _remove_unused(document: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Remove the schemas that nothing refers to, such as those of FastAPI's own errors."""
    while unused := [
        name for name in schemas if f'"#/components/schemas/{name}"' not in json.dumps(document)
    ]:
        for name in unused:
            del schemas[name]


management = ManagementApi()
