"""Health of the dispatcher, in the format of upstream, without authentication."""

from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.dialects.smsgate import openapi_examples
from dispatcher.api.operations import Operations
from dispatcher.api.request_body import Json
from dispatcher.api.runtime import context_of
from dispatcher.service.health.readiness import readiness
from dispatcher.version import VERSION

operations = Operations(tags=["Health"])

_RELEASE = 1
PASS, WARN, FAIL = "pass", "warn", "fail"


@operations.add("GET", "", summary="Whether messages can be accepted", responses=openapi_examples.HEALTH)
async def health(request: Request) -> Response:
    """503 if not."""
    return await _ready(request)


@operations.add(
    "GET", "/ready", summary="Whether messages can be accepted", responses=openapi_examples.HEALTH
)
async def ready(request: Request) -> Response:
    """503 if not."""
    return await _ready(request)


@operations.add("GET", "/startup", summary="Whether the start is complete", responses=openapi_examples.HEALTH)
async def startup(request: Request) -> Response:
    """503 if not. It is complete when messages can be accepted."""
    return await _ready(request)


@operations.add("GET", "/live", summary="Whether the process runs", responses=openapi_examples.HEALTH)
async def live(request: Request) -> Response:
    """Nothing else is checked."""
    return Json(_body(PASS, {}))


async def _ready(request: Request) -> Response:
    found = await readiness(context_of(request))
    checks = {
        "database": _check(FAIL, found.faults),
        "delivery": _check(WARN, found.degraded),
    }
    if found.faults:
        return Json(_body(FAIL, checks), 503)
    return Json(_body(WARN if found.degraded else PASS, checks))


def _check(bad: str, found: Sequence[str]) -> Mapping[str, object]:
    return {
        "status": bad if found else PASS,
        "description": "; ".join(found),
        "observedUnit": "faults",
        "observedValue": len(found),
    }


def _body(status: str, checks: Mapping[str, object]) -> Mapping[str, object]:
    return {"status": status, "version": VERSION, "releaseId": _RELEASE, "checks": checks}
