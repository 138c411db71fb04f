"""The call-back page of the document, for a login that a Swagger page began."""

import re

from fastapi import APIRouter, Depends
from fastapi.openapi.docs import get_swagger_ui_oauth2_redirect_html
from starlette.responses import HTMLResponse, Response

from dispatcher.api.dialects.formpost import samples
from dispatcher.api.dialects.formpost.access import not_counted

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

router = APIRouter(tags=["Pages"], default_response_class=HTMLResponse, dependencies=[Depends(not_counted)])


@router.get("/api/oauth2-callback", summary="Display Oauth2 callback pages", responses=samples.PAGE)
async def show_call_back() -> Response:
    """Hands what a login server said to the Swagger page that opened this one."""
    return Response(_CALL_BACK, headers=HTML)


@router.get("/api/oauth2-redirect.js", include_in_schema=False)
async def call_back_script() -> Response:
    """What the call-back page loads, beside it."""
    return Response(_REDIRECT, headers=_SCRIPT)


def _script_in(page: bytes) -> str:
    found = re.search(r"<script>(.*)</script>", page.decode(), re.DOTALL)
    assert found, "FastAPI's call-back page has Swagger UI's script in it"
    return found[1].strip() + "\n"


_REDIRECT = _script_in(bytes(get_swagger_ui_oauth2_redirect_html().body))
