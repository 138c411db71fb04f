"""The document's callback page for an OAuth login that a Swagger page has started."""

import re

from fastapi.openapi.docs import get_swagger_ui_oauth2_redirect_html
from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.dialects.formpost import openapi_examples
from dispatcher.api.dialects.formpost.auth import read_quota
from dispatcher.api.operations import Operations
from dispatcher.api.pages.headers import HtmlPage

HOME = "/api/v2"
HTML = {"content-type": "text/html; charset=UTF-8"}
_SCRIPT = {"content-type": "text/javascript; charset=UTF-8"}

_CALLBACK = """<!doctype html>
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
async def show_callback(request: Request) -> Response:
    """Passes the response of the login server to the Swagger page that opened this page."""
    await read_quota(request)
    return HtmlPage(_CALLBACK, headers=HTML)


@operations.add("GET", "/api/oauth2-redirect.js", is_documented=False)
async def callback_script(request: Request) -> Response:
    """Return the script that the callback page loads."""
    await read_quota(request)
    return Response(_REDIRECT, headers=_SCRIPT)


def _script_in(page: bytes) -> str:
    found = re.search(r"<script>(.*)</script>", page.decode(), re.DOTALL)
    assert found, "FastAPI's callback page contains no script of Swagger UI"
    return found[1].strip() + "\n"


_REDIRECT = _script_in(bytes(get_swagger_ui_oauth2_redirect_html().body))
