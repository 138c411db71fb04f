"""The API catalogue (RFC 9727) that every answer names, as upstream's do: where this API is described."""

from fastapi import APIRouter, Request
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dispatcher.api.door import Json

PATH = "/.well-known/api-catalog"

router = APIRouter()

_TYPE = 'application/linkset+json; profile="https://www.rfc-editor.org/info/rfc9727"'
_BASE = "/api/3rdparty/v1"


@router.get("", summary="Find this API")
async def catalog(request: Request) -> Response:
    """Anybody may ask."""
    base = request.scope.get("root_path", "") + _BASE
    links = {
        "anchor": base,
        "service-desc": [{"href": f"{base}/openapi.json", "type": "application/json"}],
        "service-doc": [{"href": f"{base}/docs", "type": "text/html"}],
        "status": [{"href": f"{base}/health/ready", "type": "application/json"}],
    }
    return Json({"linkset": [links]}, media_type=_TYPE)


class Linked:
    """Middleware that names the catalogue in every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with one header more."""
        link = f'<{scope.get("root_path", "")}{PATH}>; rel="api-catalog"'

        async def linked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("Link", link)
            await send(message)

        await self._app(scope, receive, linked)
