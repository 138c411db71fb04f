"""The routes of this dialect, and the dialect itself."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from dispatcher.api.dialect import Dialect
from dispatcher.api.dialects.formpost import keys, openapi_examples, pages, v1, v2
from dispatcher.api.dialects.formpost.auth import NAME, read_quota
from dispatcher.api.dialects.formpost.mapping import form_envelope, keyed_envelope
from dispatcher.api.dialects.formpost.preflight import preflights
from dispatcher.api.dialects.formpost.responses import JsonWithoutCharset, quota_headers
from dispatcher.api.errors import ErrorResponse
from dispatcher.api.operations import MountPoint, Operations, local_path

operations = Operations(tags=["Pages"])
for _module in (v1, v2, keys, pages):
    operations.include(_module.operations)


@operations.add("GET", pages.HOME, summary="Display Swagger API page", responses=openapi_examples.PAGE)
async def home(request: Request) -> Response:
    """The documentation page of this API, which is also at /api/v2/docs."""
    await read_quota(request)
    page = await dialect.docs_page(request)
    page.headers.update(pages.HTML)
    return page


_V1 = ("/v1/sms", "/api/v1/sms/send")


class _Dialect(Dialect):
    """A dialect with two error formats, one for each surface."""

    def refuse(self, scope: Scope, error: ErrorResponse) -> Response:
        envelope = form_envelope if local_path(scope).startswith(_V1) else keyed_envelope
        return JsonWithoutCharset(envelope(error), error.status, headers=error.headers)


dialect = _Dialect(
    NAME,
    title="Form post and key API",
    description=openapi_examples.DESCRIPTION,
    mounts=(
        *(MountPoint(path, bulk=True) for path in _V1),
        MountPoint("/api/v2"),
        MountPoint("/api/v2/sms", bulk=True),
        MountPoint("/api/generate-key"),
        MountPoint("/api/regenerate-key"),
        MountPoint("/api/revoke-key"),
        MountPoint("/api/oauth2-callback"),
        MountPoint("/api/oauth2-redirect.js"),
    ),
    envelope=keyed_envelope,
    operations=operations,
    docs=pages.HOME,
    quota_headers=quota_headers,
)
dialect.operations.include(preflights(o for o in dialect.operations if o.path != dialect.openapi_url))
