"""The endpoint for providers' receipts: they are verified and stored here, and matched to messages later."""

from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.errors import PROBLEM, problem
from dispatcher.api.operations import MountedApp, MountPoint, Operations, local_path
from dispatcher.api.proxies.root_path import public_root
from dispatcher.api.request_body import Json
from dispatcher.api.runtime import runtime
from dispatcher.domain.delivery.provider import ReceiptRequest
from dispatcher.domain.errors import BadReceipt
from dispatcher.service.receipts import ingest

operations = Operations()


@operations.add("POST", "/receipts/{provider}")
@operations.add("GET", "/receipts/{provider}")
async def take(request: Request) -> Response:
    """Store the receipts of a request; a provider that gets no 200 should send them again."""
    opened, provider = runtime(request), request.path_params["provider"]
    received = ReceiptRequest(
        method=request.method,
        headers=dict(request.headers),
        query=dict(request.query_params) if request.scope["query_string"] else {},
        body=await request.body(),
        url=_called_url(request, opened.ctx.settings.public_url),
    )
    try:
        ingested = await ingest.receive(opened.ctx, provider, received)
    except BadReceipt as error:
        opened.refusals.note(provider, error)
        raise
    if ingested.has_left:
        opened.matcher.notify()
    return Json({"received": ingested.count})


def _called_url(request: Request, public_url: str | None) -> str:
    """
    Return the whole URL that the provider called, which some providers sign.

    Behind a proxy it starts with `public_url`. Without that it is made of the Host
    header, the scheme that a believed proxy reports, and the root path.
    """
    scope = request.scope
    base = public_url or f"{scope['scheme']}://{request.headers.get('host', '')}{public_root(scope)}"
    query = scope["query_string"].decode("latin-1")
    return f"{base}{local_path(scope)}{'?' if query else ''}{query}"


app = MountedApp(
    "receipts",
    title="Receipts",
    mounts=(MountPoint("/receipts", is_signed=True),),
    envelope=problem,
    media_type=PROBLEM,
    operations=operations,
)
