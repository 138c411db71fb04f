"""
Dialect: form post (v1) and keys (v2), at /v1/sms/send, /api/v2 and /api/…-key.

Two surfaces of one dialect, each with error bodies of its own: `{"error": …}`
with a full stop in v1, Laravel's habits in the rest. What their document
leaves open, and what we decided, is told in `docs/dialects/formpost.md`.
"""

from fastapi import Depends, Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from dispatcher.api.dialects.formpost import keys, pages, samples, v1, v2
from dispatcher.api.dialects.formpost.access import NAME, not_counted
from dispatcher.api.dialects.formpost.answers import Plain, headers
from dispatcher.api.dialects.formpost.preflight import answer_preflights
from dispatcher.api.dialects.formpost.words import form_envelope, keyed_envelope
from dispatcher.api.door import Claim, Door
from dispatcher.api.failure import Failure


class _Door(Door):
    """A door with two envelopes: the path, known when a refusal is sent, picks one."""

    def refuse(self, failure: Failure) -> Response:
        return _Refusal(failure)

    async def home(self, request: Request) -> Response:
        """The page of this API, which is under /api/v2/docs too."""
        page = await self._page(request)
        return Response(page.body, headers=pages.HTML)


class _Refusal(Plain):
    def __init__(self, failure: Failure) -> None:
        super().__init__(keyed_envelope(failure), failure.status, headers=failure.headers)
        self._failure = failure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(("/v1/", "/api/v1/")):
            self.body = self.render(form_envelope(self._failure))
            self.headers["content-length"] = str(len(self.body))
        await super().__call__(scope, receive, send)


door = _Door(
    NAME,
    title="Form post and key API",
    description=samples.DESCRIPTION,
    claims=(
        Claim("/v1/sms", bulk=True),
        Claim("/api/v1/sms/send", bulk=True),
        Claim("/api/v2"),
        Claim("/api/v2/sms", bulk=True),
        Claim("/api/generate-key"),
        Claim("/api/regenerate-key"),
        Claim("/api/revoke-key"),
        Claim("/api/oauth2-callback"),
        Claim("/api/oauth2-redirect.js"),
    ),
    envelope=keyed_envelope,
    docs=pages.HOME,
    quota_headers=headers,
)

for _router in (v1.router, v2.router, keys.router, pages.router):
    # include_router would nest them, and a 405 has to find the methods of a path.
    door.app.router.routes.extend(_router.routes)
door.app.add_api_route(
    pages.HOME,
    door.home,
    summary="Display Swagger API page",
    responses=samples.PAGE,
    response_class=HTMLResponse,
    tags=["Pages"],
    dependencies=[Depends(not_counted)],
)
answer_preflights(door)
