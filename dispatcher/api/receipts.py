"""Where providers tell what became of a message: verified, kept, answered; matched a moment later."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dispatcher.api.door import PROBLEM, Claim, Door, Json, problem
from dispatcher.api.runtime import runtime
from dispatcher.domain.errors import BadReceipt
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
    opened, provider = runtime(request), request.path_params["provider"]
    received = ReceiptRequest(
        method=request.method,
        headers=dict(request.headers),
        query=dict(request.query_params) if request.scope["query_string"] else {},
        body=await request.body(),
        url=_called(request, opened.ctx.settings.public_url),
    )
    try:
        kept = await receipts.take_in(opened.ctx, provider, received)
    except BadReceipt as error:
        opened.refusals.note(provider, error)
        raise
    if kept.is_left:
        opened.matcher.notice()
    return Json({"received": kept.count})


def _called(request: Request, public_url: str | None) -> str:
    """
    Tell the whole URL that the provider called: some sign it.

    Behind a proxy only `public_url` knows it; without one the Host header is
    believed, and of the scheme what uvicorn believes.
    """
    scope = request.scope
    base = public_url or f"{scope['scheme']}://{request.headers.get('host', '')}"
    query = scope["query_string"].decode("latin-1")
    return f"{base}{scope['path']}{'?' if query else ''}{query}"


# A plain route: nothing of a receipt is for FastAPI to read.
_route = Route("/receipts/{provider}", take, methods=["POST", "GET"])
_route.methods = {"POST", "GET"}  # Starlette adds HEAD, which only means to look
door.app.router.routes.append(_route)
