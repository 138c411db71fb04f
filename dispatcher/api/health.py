"""Health for load balancers and people: whether the process runs, and whether it accepts submissions."""

from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.errors import PROBLEM, problem
from dispatcher.api.operations import MountedApp, MountPoint, Operations
from dispatcher.api.proxies.forwarded import came_through_proxy
from dispatcher.api.request_body import Json
from dispatcher.api.runtime import context_of
from dispatcher.service.health.readiness import readiness

operations = Operations()


@operations.add("GET", "/healthz")
async def healthz(request: Request) -> Response:
    """Answer 200 as long as the process runs."""
    return Json({"status": "alive"})


@operations.add("GET", "/readyz")
async def readyz(request: Request) -> Response:
    """
    Answer 200 if submissions can be accepted, else 503 with `faults`: Postgres, or a missing migration.

    `degraded` lists what stops or delays messages while submissions are
    accepted, each with what mends it: Redis is away or refuses writes, nobody
    consumes from a queue, no provider of a route takes the messages that wait,
    messages are overdue, a clock is off, or a part of any process failed
    within the last hour. A request that comes through a proxy gets the status alone.
    """
    found = await readiness(context_of(request))
    if found.is_ready:
        body = {"status": "degraded" if found.degraded else "ready", "degraded": found.degraded}
    else:
        body = {"status": "not ready", "faults": found.faults, "degraded": found.degraded}
    if came_through_proxy(request.scope):
        body = {"status": body["status"]}
    return Json(body, 200 if found.is_ready else 503)


app = MountedApp(
    "health",
    title="Health",
    mounts=(MountPoint("/healthz"), MountPoint("/readyz")),
    envelope=problem,
    media_type=PROBLEM,
    operations=operations,
)
