"""CORS preflights: browsers may call this API from pages of any origin."""

from collections import defaultdict
from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.dialects.formpost.auth import read_quota
from dispatcher.api.operations import Handler, Operation, Operations

_HEADERS = "Authorization, Content-Type, Idempotency-Key, X-API-Key, X-Request-ID"
_MAX_AGE = 3600


def preflights(described: Iterable[Operation]) -> Operations:
    """Return an OPTIONS operation for each path of these operations."""
    methods: dict[str, set[str]] = defaultdict(set)
    for operation in described:
        methods[operation.path].add(operation.method)
    operations = Operations()
    for path, allowed in methods.items():
        operations.add("OPTIONS", path, is_documented=False)(_allowing(", ".join(sorted(allowed))))
    return operations


def _allowing(methods: str) -> Handler:
    headers = {
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": _HEADERS,
        "Access-Control-Max-Age": str(_MAX_AGE),
    }

    async def allow(request: Request) -> Response:
        await read_quota(request)
        return Response(status_code=204, headers=headers)

    return allow
