"""Where providers tell what became of a message: verified, kept, answered; matched a moment later."""

from fastapi import Request, Response

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


@door.app.post("/receipts/{provider}")
@door.app.get("/receipts/{provider}")
async def take(provider: str, request: Request) -> Response:
    """Keep the receipts of one request; a provider that gets no 200 should tell them again."""
    opened = runtime(request)
    received = ReceiptRequest(
        method=request.method,
        headers=dict(request.headers),
        query=dict(request.query_params),
        body=await request.body(),
    )
    count = await receipts.take_in(opened.ctx, provider, received)
    opened.matcher.notice()
    return Json({"received": count})
