"""The callback page of the document, for a login that a Swagger page began."""

import re

from fastapi.openapi.docs import get_swagger_ui_oauth2_redirect_html
from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.dialects.formpost import openapi_examples
from dispatcher.api.dialects.formpost.auth import look_at_quota
from dispatcher.api.operations import Operations

HOME = "/api/v2"
HTML = {"content-type": "text/html; charset=UTF-8"}
_SCRIPT = {"content-type": "text/javascript; charset=UTF-8"}

_CALL_BACK = """<!doctype html>
<html lang="en-US">
<body>
<script src="oauth2-redirect.js"></script>
</body>
</html>
"""

operations = Operations(tags=["Pages"])


@operations.add(
    "GET", "/api/oauth2-callback", summary="Display Oauth2 callback pages", responses=openapi_examples.PAGE
)
async def show_call_back(request: Request) -> Response:
    """Hands what a login server said to the Swagger page that opened this one."""
    await look_at_quota(request)
    return Response(_CALL_BACK, headers=HTML)


@operations.add("GET", "/api/oauth2-redirect.js", is_documented=False)
async def call_back_script(request: Request) -> Response:
    """Return the script that the callback page loads."""
    await look_at_quota(request)
    return Response(_REDIRECT, headers=_SCRIPT)


def _script_in(page: bytes) -> str:
    found = re.search(r"<script>(.*)</script>", page.decode(), re.DOTALL)
    assert found, "FastAPI's call-back page has Swagger UI's script in it"
    return found[1].strip() + "\n"


_REDIRECT = _script_in(bytes(get_swagger_ui_oauth2_redirect_html().body))
