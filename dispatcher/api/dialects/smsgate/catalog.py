"""The API catalogue (RFC 9727) that every response names, as upstream's do: where this API is described."""

from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.operations import Operations
from dispatcher.api.request_body import Json

PATH = "/.well-known/api-catalog"

operations = Operations()

_TYPE = 'application/linkset+json; profile="https://www.rfc-editor.org/info/rfc9727"'
_BASE = "/api/3rdparty/v1"


@operations.add("GET", PATH, is_documented=False)
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
