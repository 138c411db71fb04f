"""Health, for anybody who asks: of the dispatcher, in the shape that upstream tells it."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version

from fastapi import APIRouter
from starlette.responses import Response

from dispatcher.api.dialects.smsgate import samples
from dispatcher.api.door import Json
from dispatcher.api.runtime import Ctx
from dispatcher.service.context import Context
from dispatcher.service.health import readiness

router = APIRouter(tags=["Health"])

_VERSION = version("sms-dispatcher")
_RELEASE = 1
PASS, WARN, FAIL = "pass", "warn", "fail"


@router.get("", summary="Tell whether messages can be taken", responses=samples.HEALTH)
async def health(ctx: Ctx) -> Response:
    """503 when not."""
    return await _ready(ctx)


@router.get("/ready", summary="Tell whether messages can be taken", responses=samples.HEALTH)
async def ready(ctx: Ctx) -> Response:
    """503 when not."""
    return await _ready(ctx)


@router.get("/startup", summary="Tell whether the start has come to its end", responses=samples.HEALTH)
async def startup(ctx: Ctx) -> Response:
    """503 when not; it has when messages can be taken."""
    return await _ready(ctx)


@router.get("/live", summary="Tell whether the process lives", responses=samples.HEALTH)
async def live() -> Response:
    """Nothing else is looked at."""
    return Json(_body(PASS, {}))


async def _ready(ctx: Context) -> Response:
    found = await readiness(ctx)
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
    return {"status": status, "version": _VERSION, "releaseId": _RELEASE, "checks": checks}
