"""
The front of the API: it opens the dispatcher once and picks the door of each request.

No mounts: a door gets the full path. The longest claim wins, and a claim ends
at a slash, so `/api/v1/sms/send` may belong to another door than `/api/v1`.
What is the same at every door is done here: the size of a body, the request
id, the access log, and the answer to a path nobody claims.
"""

import math
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import NamedTuple
from uuid import uuid4

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from dispatcher.api.admission import by_address
from dispatcher.api.door import PROBLEM, Claim, Door, QuotaHeaders, problem
from dispatcher.api.failure import CRASHED, UNCLAIMED, failure_of, too_large
from dispatcher.api.runtime import Runtime
from dispatcher.domain.errors import DispatchError, Misconfigured
from dispatcher.domain.trace import read_traceparent, trace_id

log = structlog.get_logger()

_PATH = re.compile(r"(/[^/]+)+")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:+=@/-]{1,128}")
_LENGTH = re.compile(r"[0-9]{1,18}")
_WANTED = frozenset((b"x-request-id", b"traceparent", b"content-length"))
_NOBODY = Door("nobody", title="", claims=(), envelope=problem, media_type=PROBLEM)


class Front:
    """
    The ASGI application.

    `prefixes` moves doors, by name, below another path. Raises Misconfigured
    when two doors claim the same path.
    """

    def __init__(
        self,
        doors: Sequence[Door],
        open_runtime: Callable[[], AbstractAsyncContextManager[Runtime]],
        *,
        body_limit: int,
        bulk_body_limit: int,
        prefixes: Mapping[str, str] | None = None,
    ) -> None:
        self._doors = _by_path(doors, prefixes or {})
        self._depth = max((path.count("/") for path in self._doors), default=0)
        self._open_runtime = open_runtime
        self._limits = {False: body_limit, True: bulk_body_limit}
        self._runtime: Runtime | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the life of the server."""
        match scope["type"]:
            case "http":
                await self._serve(scope, receive, send)
            case "lifespan":
                await self._live(receive, send)
            case "websocket":
                await send({"type": "websocket.close", "code": 1000})

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Open what the doors work with, for as long as the block lasts."""
        async with self._open_runtime() as self._runtime:
            try:
                yield
            finally:
                self._runtime = None

    async def _live(self, receive: Receive, send: Send) -> None:
        """Speak the lifespan protocol. What is wrong at start is said in one line."""
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

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        told = _told(scope)
        request_id = told.request_id or uuid4().hex
        door, claim, prefix = self._place(scope["path"])
        state = {**scope.get("state", {}), "runtime": self._runtime}
        scope = {**scope, "root_path": scope.get("root_path", "") + prefix, "state": state}
        answer = _Answer(send, request_id, door, scope)
        with structlog.contextvars.bound_contextvars(request_id=request_id, **told.trace):
            try:
                await self._answer(scope, receive, answer, door, claim, announced=told.length)
            finally:
                log.info(
                    "request_answered",
                    method=scope["method"],
                    path=scope["path"],
                    status=answer.status,
                    ms=round((time.perf_counter() - started) * 1000, 1),
                )

    async def _answer(
        self, scope: Scope, receive: Receive, answer: "_Answer", door: Door, claim: Claim, *, announced: int
    ) -> None:
        limit = self._limit(claim, scope["path"])
        try:
            if door is _NOBODY:
                await door.refuse(UNCLAIMED)(scope, receive, answer)
            elif announced > limit:
                await door.refuse(failure_of(too_large(limit)))(scope, receive, answer)
            else:
                await door(scope, _counted(receive, limit), answer)
        except ClientDisconnect:
            log.info("client_left")
        except Exception:  # the outermost frame of a request: the door has answered 500 where it could
            log.exception("request_crashed")
            if answer.status is None:
                await door.refuse(CRASHED)(scope, receive, answer)

    def _limit(self, claim: Claim, path: str) -> float:
        """Tell how many bytes a body may have."""
        is_streamed = claim.streamed is not None and claim.streamed.search(path)
        return math.inf if is_streamed else self._limits[claim.bulk]

    def _place(self, path: str) -> "_Place":
        steps = path.split("/", self._depth + 1)[: self._depth + 1]
        for length in range(len(steps), 1, -1):
            found = self._doors.get("/".join(steps[:length]))
            if found is not None:
                return found
        return _Place(_NOBODY, Claim("/"), "")


class _Place(NamedTuple):
    """Who answers at a path; `prefix` is what the door was moved below."""

    door: Door
    claim: Claim
    prefix: str


class _Told(NamedTuple):
    """
    What the front reads of the headers: how long the body is to be, and for the log.

    `request_id` is the client's own if it is fit for a line, else "".
    """

    request_id: str
    trace: Mapping[str, str]
    length: int


class _Answer:
    """Sends on what a door answers, with the request id and the quota in it, and remembers the status."""

    def __init__(self, send: Send, request_id: str, door: Door, scope: Scope) -> None:
        self._send = send
        self._request_id = request_id
        self._door = door
        self._scope = scope
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._request_id
            if self._door.catalog is not None:
                headers.append("Link", f'<{self._scope["root_path"]}{self._door.catalog}>; rel="api-catalog"')
            if self._door.quota_headers is not None:
                headers.update(await self._quota(self._door.quota_headers))
        await self._send(message)

    async def _quota(self, in_words: QuotaHeaders) -> Mapping[str, str]:
        """Tell the caller's quota in the door's words; who was not counted yet counts by address."""
        state = self._scope["state"]
        if state["runtime"] is None:
            return {}
        ctx = state["runtime"].ctx
        if "quota" not in state:
            state["quota"] = await by_address(self._scope, ctx)
        return in_words(state["quota"], ctx.now())


def _by_path(doors: Sequence[Door], prefixes: Mapping[str, str]) -> Mapping[str, _Place]:
    claimed: dict[str, _Place] = {}
    for door in doors:
        prefix = prefixes.get(door.name, "")
        for claim in door.claims:
            path = prefix + claim.path
            if not _PATH.fullmatch(path):
                raise Misconfigured(f"{door.name} claims {path!r}: a path starts with / and ends without")
            if path in claimed:
                raise Misconfigured(f"{claimed[path].door.name} and {door.name} both claim {path}")
            claimed[path] = _Place(door, claim, prefix)
    return claimed


def _told(scope: Scope) -> _Told:
    """Read in one go what is wanted: the first header of a name counts."""
    found: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        if name in _WANTED:
            found.setdefault(name, value.decode("latin-1"))
    request_id, length = found.get(b"x-request-id", ""), found.get(b"content-length", "")
    traceparent = read_traceparent(found.get(b"traceparent"))
    return _Told(
        request_id if _REQUEST_ID.fullmatch(request_id) else "",
        {} if traceparent is None else {"trace_id": trace_id(traceparent)},
        int(length) if _LENGTH.fullmatch(length) else 0,
    )


def _counted(receive: Receive, limit: float) -> Receive:
    """Count the bytes as they come, for a body that came without its length. Raises HTTPException, 413."""
    taken = 0

    async def count() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise too_large(limit)
        return message

    return count
