import asyncio
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, Request, Response
from fastapi.security import APIKeyHeader
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from dispatcher.api.straight import Straight
from dispatcher.domain.errors import DispatchError, NotFound
from tests.api.desk import Desk, ask
from tests.world import World

asked: list[str] = []


async def _first(request: Request) -> str:
    asked.append("first")
    return request.headers.get("x-first", "nobody")


class _Second:
    """A dependency that is called, as those are that carry something."""

    async def __call__(self, first: Annotated[str, Depends(_first)]) -> str:
        asked.append("second")
        return first + "!"


async def _refuse(request: Request) -> None:
    if "x-refused" in request.headers:
        raise NotFound("refused")


def _slow() -> str:
    return "from a thread"


_key = APIKeyHeader(name="x-key", auto_error=False)


async def _told(request: Request, error: Exception) -> Response:
    return PlainTextResponse(f"{type(error).__name__} at {request.url.path}", 418)


def _app() -> FastAPI:
    """Make an application with a route of each kind."""
    app = FastAPI(openapi_url="/openapi.json", docs_url=None, redoc_url=None)
    for kind in (DispatchError, HTTPException, Exception):
        app.add_exception_handler(kind, _told)

    @app.post("/both", dependencies=[Depends(_refuse)])
    async def both(
        request: Request,
        first: Annotated[str, Depends(_first)],
        second: Annotated[str, Depends(_Second())],
        key: Annotated[str | None, Depends(_key)],
    ) -> Response:
        return PlainTextResponse(f"{first} {second} {key} {(await request.body()).decode()}")

    @app.get("/nothing")
    async def nothing() -> Response:
        return PlainTextResponse("nothing is wanted")

    @app.get("/fault/{what}")
    async def fault(what: str) -> Response:
        raise HTTPException(402, what)

    @app.get("/fault")
    async def plain_fault() -> Response:
        raise HTTPException(402, "no")

    @app.get("/crash")
    async def crash() -> Response:
        raise ZeroDivisionError

    @app.get("/thread")
    async def thread(slow: Annotated[str, Depends(_slow)]) -> Response:
        return PlainTextResponse(slow)

    _add_what_is_read(app)
    return app


def _add_what_is_read(app: FastAPI) -> None:
    @app.get("/asks")
    async def asks(word: str) -> Response:
        return PlainTextResponse(word)

    @app.get("/json")
    async def json() -> dict[str, int]:
        return {"a": 1}

    async def named(request: Request) -> Response:
        return PlainTextResponse(request.path_params["name"])

    app.router.routes.append(Route("/named/{name}", named, methods=["POST"]))


async def _ask(app: ASGIApp, method: str, url: str, headers: dict[str, str]) -> tuple[int, str, list[str]]:
    asked.clear()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        response = await client.request(method, url, headers=headers, content=b"body")
    return response.status_code, response.text, list(asked)


@pytest.mark.parametrize("headers", [{}, {"x-first": "you", "x-key": "k"}, {"x-refused": ""}])
@pytest.mark.parametrize(
    "request_line",
    [
        "POST /both",
        "GET /both",
        "POST /both/",
        "GET /nothing",
        "HEAD /nothing",
        "GET /fault",
        "GET /fault/x",
        "GET /crash",
        "GET /thread",
        "GET /asks",
        "GET /asks?word=x",
        "GET /json",
        "POST /named/a%20b",
        "GET /named/a",
        "POST /named",
        "GET /openapi.json",
        "GET /nobody",
    ],
)
def test_every_route_answers_as_it_does_by_fastapi_alone(request_line: str, headers: dict[str, str]) -> None:
    app, (method, url) = _app(), request_line.split()
    assert asyncio.run(_ask(Straight(app), method, url, headers)) == asyncio.run(
        _ask(app, method, url, headers)
    )


def test_what_was_not_foreseen_is_answered_and_raised_all_the_same() -> None:
    async def story() -> None:
        transport = httpx.ASGITransport(Straight(_app()))
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            with pytest.raises(ZeroDivisionError):
                await client.get("/crash")

    asyncio.run(story())


SUBMITS = (
    "/api/v0/sms/send",
    "/api/v0/sms/bulk",
    "/sms",
    "/v1/sms/send",
    "/api/v1/sms/send",
    "/api/v2/sms/send",
    "/api/v1/sms",
    "/api/3rdparty/v1/messages",
    "/3rdparty/v1/message",
)


def test_submits_and_receipts_go_past_fastapi(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    through: list[str] = []
    call = FastAPI.__call__

    async def noted(self: FastAPI, scope: Scope, receive: Receive, send: Send) -> None:
        through.append(scope["path"])
        await call(self, scope, receive, send)

    monkeypatch.setattr(FastAPI, "__call__", noted)

    async def story(desk: Desk) -> None:
        for path in SUBMITS:
            await desk.http.post(path, json={})
        assert (await desk.http.post("/receipts/sim", content="ref=13")).status_code == 200
        assert not through
        await desk.http.get("/api/v1/sms/1")
        assert through == ["/api/v1/sms/1"]

    ask(world, story)
