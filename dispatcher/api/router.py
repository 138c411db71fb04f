"""
The ASGI application of the API: opens the runtime, and passes each request to the application of its path.

An application gets the full path, with the root path of a proxy. The longest mount
point that ends at a slash wins, so `/api/v1/sms/send` may belong to another
application than `/api/v1`. The router does what all applications share: what
proxies report, the limit of a body, the request id, the access log, the headers of
every response, and the response for a path that no application serves.
"""

import math
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from dispatcher.api.auth import address_of, count_by_address
from dispatcher.api.errors import CRASHED, NO_SUCH_API, describe_error, too_large
from dispatcher.api.limits.body_limit import LargeBodies, LimitedBody
from dispatcher.api.mounts import NO_APP, Mounts, Target
from dispatcher.api.operations import MountedApp, MountPoint, QuotaHeaders
from dispatcher.api.pages.headers import add_protection
from dispatcher.api.proxies.forwarded import TrustedProxies
from dispatcher.api.proxies.root_path import strip_root
from dispatcher.api.runtime import Runtime
from dispatcher.domain.errors import DispatchError
from dispatcher.domain.messages.trace import read_traceparent, trace_id
from dispatcher.logs import one_line

log = structlog.get_logger()

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:+=@/-]{1,128}")
_LENGTH = re.compile(r"[0-9]{1,18}")
_HEADERS = frozenset((b"x-request-id", b"traceparent", b"content-length"))


@dataclass(frozen=True, slots=True)
class _RequestHeaders:
    """
    The headers that the router reads: the announced length of the body, and two for the log.

    `request_id` is the client's own if it can be logged in one line, else "".
    """

    request_id: str
    trace: Mapping[str, str]
    length: int


class Router:
    """
    The ASGI application.

    `prefixes` moves applications, by name, below other paths. `management` are the
    applications of a listener of its own, `proxies` the proxies that are believed, and
    clients see everything below `root_path`. Raises Misconfigured if two applications
    of one listener have the same mount point.
    """

    def __init__(
        self,
        apps: Sequence[MountedApp],
        open_runtime: Callable[[], AbstractAsyncContextManager[Runtime]],
        *,
        body_limit: int,
        bulk_body_limit: int,
        prefixes: Mapping[str, str] | None = None,
        management: Sequence[MountedApp] = (),
        proxies: TrustedProxies | None = None,
        root_path: str = "",
    ) -> None:
        self._mounts = Mounts(apps, prefixes or {})
        self._management = Mounts(management, prefixes or {})
        self._proxies = proxies or TrustedProxies(())
        self._root_path = root_path
        self._open_runtime = open_runtime
        self._limits = {False: body_limit, True: bulk_body_limit}
        self._runtime: Runtime | None = None
        self._large_bodies = LargeBodies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan of the server."""
        match scope["type"]:
            case "http":
                await self._serve(scope, receive, send, self._mounts)
            case "lifespan":
                await self._run_lifespan(receive, send)
            case "websocket":
                await send({"type": "websocket.close", "code": 1000})

    async def serve_management(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request of the management API's own listener, which shares the runtime."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send, self._management)
        else:
            await self(scope, receive, send)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Open the runtime for as long as the block lasts."""
        async with self._open_runtime() as self._runtime:
            try:
                yield
            finally:
                self._runtime = None

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
        """Follow the lifespan protocol. A failed start is reported in one line."""
        async with AsyncExitStack() as stack:
            await receive()
            try:
                await stack.enter_async_context(self.opened())
            except DispatchError as error:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send, mounts: Mounts) -> None:
        started = time.perf_counter()
        headers = _read_headers(scope)
        request_id = headers.request_id or uuid4().hex
        scope, target = self._resolve(scope, mounts)
        body = LimitedBody(receive, self._limit(target.mount, scope["path"]), bodies=self._large_bodies)
        if target.mount.is_signed:
            body.trust((target.mount, address_of(scope)))  # whoever is slow keeps turns from its own address
        state = {**scope.get("state", {}), "runtime": self._runtime, "body": body}
        scope["state"] = state
        response = _Response(send, request_id, target.app, scope)
        with structlog.contextvars.bound_contextvars(request_id=request_id, **headers.trace):
            try:
                await self._answer(scope, body, response, target, announced=headers.length)
            finally:
                await body.close()
                log.info(
                    "request_answered",
                    method=scope["method"],
                    path=one_line(scope["path"]),
                    status=response.status,
                    client=(scope.get("client") or ("unknown",))[0],
                    **state.get("caller", {}),
                    ms=round((time.perf_counter() - started) * 1000, 1),
                )

    def _resolve(self, scope: Scope, mounts: Mounts) -> tuple[Scope, Target]:
        """
        Return a request as the client made it, and its target.

        As in ASGI, the path starts with `root_path`, which here also has the prefix of the
        application. `app_root_path` is without that, as in Starlette.
        """
        path, of_server = scope["path"], scope.get("root_path", "")
        root = of_server or self._root_path
        if root and (of_server or not self._proxies.removed(scope, root)):
            path = strip_root(path, root, is_served=mounts.serves)
        target = mounts.find(path)
        changed = {"path": root + path, "root_path": root + target.prefix, "app_root_path": root}
        return {**self._proxies.resolve(scope), **changed}, target

    async def _answer(
        self, scope: Scope, body: LimitedBody, response: "_Response", target: Target, *, announced: int
    ) -> None:
        app, limit = target.app, self._limit(target.mount, scope["path"])
        try:
            if app is NO_APP:
                await app.refuse(scope, NO_SUCH_API)(scope, body, response)
            elif announced > limit:
                await app.refuse(scope, describe_error(too_large(limit)))(scope, body, response)
            else:
                await app(scope, body, response)
        except ClientDisconnect:
            response.status = None  # Starlette has answered 500, to nobody
            log.info("client_left")
        except Exception:  # the outermost frame of a request: the application has answered 500 if it could
            log.exception("request_crashed")
            if response.status is None:
                await app.refuse(scope, CRASHED)(scope, body, response)

    def _limit(self, mount: MountPoint, path: str) -> float:
        """Return the largest size of a body, in bytes."""
        is_streamed = mount.streamed is not None and mount.streamed.search(path)
        return math.inf if is_streamed else self._limits[mount.bulk]


class _Response:
    """Sends a response, with the headers that every response has, and remembers its status."""

    def __init__(self, send: Send, request_id: str, app: MountedApp, scope: Scope) -> None:
        self._send = send
        self._request_id = request_id
        self._app = app
        self._scope = scope
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._request_id
            if self._app.catalog is not None:
                headers.append("Link", f'<{self._scope["root_path"]}{self._app.catalog}>; rel="api-catalog"')
            if self._app.quota_headers is not None:
                for name, value in (await self._quota(self._app.quota_headers)).items():
                    headers.setdefault(name, value)
            add_protection(headers.raw)
        await self._send(message)

    async def _quota(self, quota_headers: QuotaHeaders) -> Mapping[str, str]:
        """Return the headers of the client's quota; a request not yet counted counts for its address."""
        state = self._scope["state"]
        if state["runtime"] is None:
            return {}
        ctx = state["runtime"].ctx
        if "quota" not in state:
            state["quota"] = await count_by_address(self._scope, ctx)
        return quota_headers(state["quota"], ctx.now())


def _read_headers(scope: Scope) -> _RequestHeaders:
    """Read all headers in one pass; the first of a name counts."""
    found: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        if name in _HEADERS:
            found.setdefault(name, value.decode("latin-1"))
    request_id, length = found.get(b"x-request-id", ""), found.get(b"content-length", "")
    traceparent = read_traceparent(found.get(b"traceparent"))
    return _RequestHeaders(
        request_id if _REQUEST_ID.fullmatch(request_id) else "",
        {} if traceparent is None else {"trace_id": trace_id(traceparent)},
        int(length) if _LENGTH.fullmatch(length) else 0,
    )
