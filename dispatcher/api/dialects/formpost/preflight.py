"""Answering browsers that ask whether a page of another origin may call."""

from collections import defaultdict

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.responses import Response

from dispatcher.api.dialects.formpost.access import not_counted
from dispatcher.api.door import Door

_HEADERS = "Authorization, Content-Type, Idempotency-Key, X-API-Key, X-Request-ID"
_REMEMBERED = 3600


def answer_preflights(door: Door) -> None:
    """Add OPTIONS to every path of this door; call it when all its routes are there."""
    methods: dict[str, set[str]] = defaultdict(set)
    for route in door.app.routes:
        if isinstance(route, APIRoute) and route.methods:
            methods[route.path] |= route.methods
    for path, known in methods.items():
        _add(door.app, path, ", ".join(sorted(known)))


def _add(app: FastAPI, path: str, methods: str) -> None:
    headers = {
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": _HEADERS,
        "Access-Control-Max-Age": str(_REMEMBERED),
    }

    @app.options(path, include_in_schema=False, dependencies=[Depends(not_counted)])
    async def allow() -> Response:
        return Response(status_code=204, headers=headers)
