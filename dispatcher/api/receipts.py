"""Where providers tell what became of a message: verified, kept, answered; matched a moment later."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dispatcher.api.door import PROBLEM, Claim, Door, Json, problem
from dispatcher.api.runtime import runtime
from dispatcher.domain.provider import ReceiptRequest
from dispatcher.service import receipts

door = Door(
    "receipts",
    title="Receipts",
    claims=(Claim("/receipts"),),
    envelope=problem,
    media_type=PROBLEM,
)


async def take(request: Request) -> Response:
    """Keep the receipts of one request; a provider that gets no 200 should tell them again."""
    opened = runtime(request)
    received = ReceiptRequest(
        method=request.method,
        headers=dict(request.headers),
        query=dict(request.query_params),
        body=await request.body(),
    )
    count = await receipts.take_in(opened.ctx, request.path_params["provider"], received)
    opened.matcher.notice()
    return Json({"received": count})


# A plain route: there is one receipt for each message, and nothing of it for FastAPI to read.
_route = Route("/receipts/{provider}", take, methods=["POST", "GET"])
_route.methods = {"POST", "GET"}  # Starlette adds HEAD, which only means to look
door.app.router.routes.append(_route)
