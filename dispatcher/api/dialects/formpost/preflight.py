"""Answering browsers that ask whether a page of another origin may call."""

from collections import defaultdict
from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.dialects.formpost.auth import look_at_quota
from dispatcher.api.operations import Handler, Operation, Operations

_HEADERS = "Authorization, Content-Type, Idempotency-Key, X-API-Key, X-Request-ID"
_REMEMBERED = 3600


def preflights(asked: Iterable[Operation]) -> Operations:
    """Return OPTIONS for every path of these operations."""
    methods: dict[str, set[str]] = defaultdict(set)
    for operation in asked:
        methods[operation.path].add(operation.method)
    operations = Operations()
    for path, known in methods.items():
        operations.add("OPTIONS", path, is_documented=False)(_allowing(", ".join(sorted(known))))
    return operations


def _allowing(methods: str) -> Handler:
    headers = {
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": _HEADERS,
        "Access-Control-Max-Age": str(_REMEMBERED),
    }

    async def allow(request: Request) -> Response:
        await look_at_quota(request)
        return Response(status_code=204, headers=headers)

    return allow
