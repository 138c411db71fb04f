"""Whether this process lives, and whether it can take submissions: for load balancers and people."""

from fastapi import Response

from dispatcher.api.door import PROBLEM, Claim, Door, Json, problem
from dispatcher.api.runtime import Ctx
from dispatcher.service.health import readiness

door = Door(
    "health",
    title="Health",
    claims=(Claim("/healthz"), Claim("/readyz")),
    envelope=problem,
    media_type=PROBLEM,
)


@door.app.get("/healthz")
async def healthz() -> Response:
    """Say that the process answers; nothing else is looked at."""
    return Json({"status": "alive"})


@door.app.get("/readyz")
async def readyz(ctx: Ctx) -> Response:
    """
    Say whether submissions can be taken: 503 with the faults when not.

    Redis away or a silent lane is a limp, not a fault: what is accepted
    waits in Postgres.
    """
    found = await readiness(ctx)
    if not found.is_ready:
        body = {"status": "not ready", "faults": found.faults, "degraded": found.degraded}
        return Json(body, 503)
    return Json({"status": "degraded" if found.degraded else "ready", "degraded": found.degraded})
