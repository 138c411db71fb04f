import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, cast

import httpx
import pytest
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.testing import LogCapture

from dispatcher.api.operations import MountedApp, MountPoint, Operations
from dispatcher.api.request_body import Json
from dispatcher.api.router import Router
from dispatcher.api.runtime import Runtime
from dispatcher.domain.errors import Misconfigured, Unavailable

Story = Callable[[httpx.AsyncClient], Awaitable[None]]


def make(name: str, *paths: str, bulk: bool = False) -> MountedApp:
    """Return an application that answers any GET with its name and any POST with the size of the body."""
    operations = Operations()

    @operations.add("GET", "/{path:path}")
    async def get(request: Request) -> Response:
        path = request.path_params["path"]
        if path.endswith("crash"):
            raise ZeroDivisionError("secret")
        if path.endswith("away"):
            raise Unavailable("try again")
        return Json({"app": name, "path": f"/{path}"})

    @operations.add("POST", "/{path:path}")
    async def post(request: Request) -> Response:
        return Json({"size": len(await request.body())})

    return MountedApp(
        name,
        title=name,
        mounts=[MountPoint(path, bulk=bulk) for path in paths],
        envelope=lambda error: {name: error.message},
        operations=operations,
    )


def no_runtime() -> AbstractAsyncContextManager[Runtime]:
    return nullcontext(cast("Runtime", object()))


def route(
    *apps: MountedApp, opening: Callable[[], AbstractAsyncContextManager[Runtime]] = no_runtime
) -> Router:
    return Router(apps, opening, body_limit=1000, bulk_body_limit=5000)


def with_router(story: Story, *apps: MountedApp) -> None:
    async def main() -> None:
        built = route(*apps)
        transport = httpx.ASGITransport(built, raise_app_exceptions=False)
        async with built.opened(), httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            await story(client)

    asyncio.run(main())


@pytest.fixture
def log() -> Iterator[LogCapture]:
    capture, before = LogCapture(), structlog.get_config()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture])
    yield capture
    structlog.configure(**before)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/v1", "short"),
        ("/api/v1/sms", "short"),
        ("/api/v1/sms/7", "short"),
        ("/api/v1/sms/sender", "short"),
        ("/api/v1/sms/send", "long"),
        ("/api/v1/sms/send/x", "long"),
        ("/api/v1//sms/send", "short"),
        ("/v1/sms", "long"),
    ],
)
def test_the_longest_mount_point_wins_and_ends_at_a_slash(path: str, name: str) -> None:
    async def story(http: httpx.AsyncClient) -> None:
        assert (await http.get(path)).json() == {"app": name, "path": path}

    with_router(story, make("short", "/api/v1"), make("long", "/api/v1/sms/send", "/v1/sms"))


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v10", "/api/v2/sms", "/x/api/v1", "//api/v1", "/" * 20_000]
)
def test_a_path_without_an_api_is_404_in_problem_details(path: str) -> None:
    async def story(http: httpx.AsyncClient) -> None:
        response = await http.get(f"http://api{path}")
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json() == {
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": "There is no API at this path; GET /docs lists all APIs",
        }

    with_router(story, make("one", "/api/v1"))


def test_two_equal_mount_points_are_an_error_at_start() -> None:
    with pytest.raises(Misconfigured, match="one and two have the same mount point /api/v1"):
        route(make("one", "/api/v1"), make("two", "/x", "/api/v1"))


@pytest.mark.parametrize("path", ["", "/", "api", "/api/", "/api//v1"])
def test_a_mount_point_starts_with_a_slash_and_ends_without(path: str) -> None:
    with pytest.raises(Misconfigured, match="must start with / and not end with one"):
        route(make("one", path))


async def _streamed(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 100):
        yield b"x" * 100


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("path", "limit"), [("/small", 1000), ("/big", 5000)])
def test_a_body_above_its_limit_is_413_in_its_envelope(path: str, limit: int, streamed: bool) -> None:
    async def story(http: httpx.AsyncClient) -> None:
        for size in (limit, limit + 100):
            response = await http.post(path, content=_streamed(size) if streamed else b"x" * size)
            if size == limit:
                assert response.json() == {"size": limit}
            else:
                assert response.status_code == 413
                assert response.json() == {path[1:]: f"The body is larger than {limit} bytes"}

    with_router(story, make("small", "/small"), make("big", "/big", bulk=True))


def test_a_sane_request_id_is_echoed_in_every_response() -> None:
    async def story(http: httpx.AsyncClient) -> None:
        for path in ("/one", "/nothing", "/one/crash"):
            response = await http.get(path, headers={"X-Request-ID": "shop-42:7"})
            assert response.headers["x-request-id"] == "shop-42:7"

    with_router(story, make("one", "/one"))


@pytest.mark.parametrize("path", ["/one", "/nothing", "/one/crash"])
def test_no_cache_keeps_an_answer_with_data(path: str) -> None:
    async def story(http: httpx.AsyncClient) -> None:
        response = await http.get(path)
        assert "json" in response.headers["content-type"]
        assert response.headers["cache-control"] == "no-store"

    with_router(story, make("one", "/one"))


@pytest.mark.parametrize("result", [None, "", "a b", "x" * 129, "a\tb", '"quoted"', "né"])
def test_without_a_sane_request_id_a_new_one_is_made(result: str | None) -> None:
    async def story(http: httpx.AsyncClient) -> None:
        headers = [] if result is None else [(b"X-Request-ID", result.encode("latin-1"))]
        made = {(await http.get("/one", headers=headers)).headers["x-request-id"] for _ in range(2)}
        assert len(made) == 2
        assert all(len(name) == 32 for name in made)

    with_router(story, make("one", "/one"))


def test_the_access_log_has_the_request_id_and_not_the_query(log: LogCapture) -> None:
    async def story(http: httpx.AsyncClient) -> None:
        await http.get("/one/x?password=secret", headers={"X-Request-ID": "r1"})

    with_router(story, make("one", "/one"))
    [line] = log.entries
    assert line.pop("ms") >= 0
    assert line == {
        "event": "request_answered",
        "log_level": "info",
        "method": "GET",
        "path": "/one/x",
        "client": "127.0.0.1",
        "status": 200,
        "request_id": "r1",
    }


def test_a_crash_is_500_in_its_envelope_without_details_and_is_logged(
    log: LogCapture,
) -> None:
    async def story(http: httpx.AsyncClient) -> None:
        response = await http.get("/one/crash")
        assert (response.status_code, response.json()) == (500, {"one": "Internal server error"})

    with_router(story, make("one", "/one"))
    assert [entry["event"] for entry in log.entries] == ["request_crashed", "request_answered"]
    assert log.entries[1]["status"] == 500


def test_unavailable_is_503_with_retry_after() -> None:
    async def story(http: httpx.AsyncClient) -> None:
        response = await http.get("/one/away")
        assert (response.status_code, response.json()) == (503, {"one": "try again"})
        assert response.headers["retry-after"] == "5"

    with_router(story, make("one", "/one"))


def test_an_application_that_dies_before_it_answers_is_500_too() -> None:
    class Dead(MountedApp):
        async def __call__(self, *_: object) -> None:
            raise ZeroDivisionError

    mounts = [MountPoint("/one")]
    dead = Dead("one", title="one", mounts=mounts, envelope=lambda error: {"one": error.message})

    async def story(http: httpx.AsyncClient) -> None:
        assert (await http.get("/one")).json() == {"one": "Internal server error"}

    with_router(story, dead)


def test_a_client_that_disconnects_during_a_body_is_not_a_crash(log: LogCapture) -> None:
    async def story() -> None:
        messages = iter(
            [{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}]
        )

        async def receive() -> Any:
            return next(messages)

        async def send(_: Any) -> None:
            pass

        scope = {"type": "http", "method": "POST", "path": "/one", "query_string": b"", "headers": []}
        await route(make("one", "/one"))(scope, receive, send)

    asyncio.run(story())
    assert [entry["event"] for entry in log.entries] == ["client_left", "request_answered"]


def test_a_client_that_disconnects_is_no_500_though_starlette_answers_one(log: LogCapture) -> None:
    class Management(MountedApp):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def handler(request: Request) -> Response:
                await request.body()
                return Response()

            await Starlette(routes=[Route("/one", handler)])(scope, receive, send)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        pass

    app = Management(
        "one", title="one", mounts=[MountPoint("/one")], envelope=lambda error: {"one": error.message}
    )
    scope = {"type": "http", "method": "GET", "path": "/one", "query_string": b"", "headers": []}
    asyncio.run(route(app)(scope, receive, send))
    assert [(entry["event"], entry.get("status")) for entry in log.entries] == [
        ("client_left", None),
        ("request_answered", None),
    ]


def _live(built: Router) -> Sequence[dict[str, object]]:
    """Start and stop the application as a server does; return the messages it sent."""
    sent: list[dict[str, object]] = []

    async def main() -> None:
        result = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

        async def receive() -> Any:
            return next(result)

        async def send(message: Any) -> None:
            sent.append(message)

        await built({"type": "lifespan"}, receive, send)

    asyncio.run(main())
    return sent


def test_the_runtime_is_opened_once_and_closed_with_the_server() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def opening() -> AsyncIterator[Runtime]:
        seen.append("opened")
        yield cast("Runtime", object())
        seen.append("closed")

    sent = _live(route(make("one", "/one"), opening=opening))
    assert sent == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]
    assert seen == ["opened", "closed"]


def test_a_misconfiguration_fails_the_start_with_one_line() -> None:
    @asynccontextmanager
    async def opening() -> AsyncIterator[Runtime]:
        raise Misconfigured("the database is at migration none: run `dispatcher migrate`")
        yield

    [failed] = _live(route(make("one", "/one"), opening=opening))
    assert failed == {
        "type": "lifespan.startup.failed",
        "message": "the database is at migration none: run `dispatcher migrate`",
    }


def test_a_websocket_is_refused() -> None:
    async def story() -> None:
        sent: list[object] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        await route(make("one", "/one"))({"type": "websocket", "path": "/one"}, receive, send)
        assert sent == [{"type": "websocket.close", "code": 1000}]

    asyncio.run(story())
