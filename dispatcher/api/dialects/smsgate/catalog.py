"""The API catalogue (RFC 9727) that every answer names, as upstream's do: where this API is described."""

from fastapi import APIRouter, Request
from starlette.responses import Response

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
