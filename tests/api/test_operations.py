import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from dispatcher.api.app import DIALECTS
from dispatcher.api.errors import ErrorResponse
from dispatcher.api.openapi import body, describe_id_in_path, document
from dispatcher.api.operations import Handler, MountedApp, MountPoint, Operation, Operations, SecurityScheme
from dispatcher.domain.errors import NotFound


def _saying(word: str) -> Handler:
    async def handler(request: Request) -> Response:
        return PlainTextResponse(f"{word} {request.path_params}" if request.path_params else word)

    return handler


def _operations() -> Operations:
    operations = Operations()
    operations.add("GET", "/things")(_saying("list"))
    operations.add("POST", "/things")(_saying("create"))
    operations.add("GET", "/things/{id}")(_saying("show"))
    operations.add("DELETE", "/things/{name}")(_saying("delete"))
    operations.add("GET", "/things/best")(_saying("best"))
    operations.add("GET", "/numbers/{number:int}")(_saying("number"))

    @operations.add("GET", "/missing")
    async def missing(request: Request) -> Response:
        raise NotFound("no such thing")

    @operations.add("GET", "/crash")
    async def crash(request: Request) -> Response:
        raise ZeroDivisionError

    return operations


def _envelope(error: ErrorResponse) -> object:
    return {"error": error.message}


def _ask(story: Callable[[httpx.AsyncClient], Awaitable[None]], *, raise_errors: bool = False) -> None:
    app = MountedApp("x", title="x", mounts=[MountPoint("/")], envelope=_envelope, operations=_operations())

    async def main() -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=raise_errors)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            await story(client)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        ("GET /things", "list"),
        ("POST /things", "create"),
        ("GET /things/5", "show {'id': '5'}"),
        ("GET /things/a%20b", "show {'id': 'a b'}"),
        ("GET /things/best", "best"),
        ("DELETE /things/5", "delete {'name': '5'}"),
        ("GET /numbers/7", "number {'number': 7}"),
    ],
)
def test_a_handler_is_found_by_method_and_path_and_a_plain_path_comes_first(
    request_line: str, expected: str
) -> None:
    method, path = request_line.split()

    async def story(http: httpx.AsyncClient) -> None:
        response = await http.request(method, path)
        assert (response.status_code, response.text) == (200, expected)

    _ask(story)


@pytest.mark.parametrize(
    ("request_line", "allowed"),
    [
        ("PUT /things", "GET, POST"),
        ("HEAD /things", "GET, POST"),
        ("OPTIONS /things/5", "DELETE, GET"),
        ("POST /things/best", "GET"),
        ("DELETE /things/best", "GET"),
    ],
)
def test_another_method_is_405_in_the_envelope_and_names_all_that_the_path_has(
    request_line: str, allowed: str
) -> None:
    method, path = request_line.split()

    async def story(http: httpx.AsyncClient) -> None:
        response = await http.request(method, path)
        assert (response.status_code, response.headers["allow"]) == (405, allowed)
        assert method == "HEAD" or response.json() == {"error": "Method Not Allowed"}

    _ask(story)


@pytest.mark.parametrize("path", ["/", "/thing", "/numbers/", "/numbers/x", "/numbers/7/"])
def test_another_path_is_404_in_the_envelope(path: str) -> None:
    async def story(http: httpx.AsyncClient) -> None:
        response = await http.get(path)
        assert (response.status_code, response.json()) == (404, {"error": "Not Found"})

    _ask(story)


def test_an_error_of_a_use_case_is_answered() -> None:
    async def story(http: httpx.AsyncClient) -> None:
        response = await http.get("/missing")
        assert (response.status_code, response.json()) == (404, {"error": "no such thing"})

    _ask(story, raise_errors=True)


def test_an_unexpected_error_is_answered_and_raised() -> None:
    async def answered(http: httpx.AsyncClient) -> None:
        response = await http.get("/crash")
        assert (response.status_code, response.json()) == (500, {"error": "Internal server error"})

    async def raised(http: httpx.AsyncClient) -> None:
        with pytest.raises(ZeroDivisionError):
            await http.get("/crash")

    _ask(answered)
    _ask(raised, raise_errors=True)


def test_operations_are_included_below_a_prefix() -> None:
    part, whole = _operations(), Operations()
    whole.include(part, prefix="/v1", is_documented=False)
    assert [o.path for o in whole] == [f"/v1{o.path}" for o in part]
    assert not any(o.is_documented for o in whole)


KEY = SecurityScheme("key", {"type": "apiKey", "in": "header", "name": "X-Key"})


def test_the_document_has_what_was_declared_beside_the_handler() -> None:
    operations = Operations(tags=["Things"], security=(KEY,))
    sample = body({"size": 5}, required=["size"], schemas={"size": {"minimum": 1}})

    @operations.add(
        "POST", "/things", summary="Make one", request=sample, responses={201: {"description": "Made"}}
    )
    async def make(request: Request) -> Response:
        """A thing has a size."""
        raise NotImplementedError

    @operations.add("GET", "/hidden", is_documented=False)
    @operations.add("GET", "/things/{id}", request=describe_id_in_path("id"), security=(), is_deprecated=True)
    async def show(request: Request) -> Response:
        raise NotImplementedError

    found = document("Things", "All about things.", operations)
    assert found["info"]["title"] == "Things"
    assert found["components"] == {"securitySchemes": {"key": KEY.definition}}
    assert set(found["paths"]) == {"/things", "/things/{id}"}
    assert found["paths"]["/things"]["post"] == {
        "summary": "Make one",
        "description": "A thing has a size.",
        "operationId": "make_things_post",
        "tags": ["Things"],
        "security": [{"key": []}],
        "responses": {"201": {"description": "Made"}},
        "requestBody": sample["requestBody"],
    }
    shown = found["paths"]["/things/{id}"]["get"]
    assert (shown["deprecated"], shown["summary"], "security" in shown) == (True, "Show", False)
    [parameter] = shown["parameters"]
    assert (parameter["in"], parameter["required"], parameter["schema"]["minimum"]) == ("path", True, 0)


def _documented() -> Iterator[tuple[str, Operation]]:
    for dialect in DIALECTS:
        for operation in dialect.operations:
            if operation.is_documented:
                yield dialect.name, operation


@pytest.mark.parametrize(
    ("name", "operation"), [pytest.param(n, o, id=f"{n} {o.method} {o.path}") for n, o in _documented()]
)
def test_every_documented_operation_has_a_summary_a_description_and_responses(
    name: str, operation: Operation
) -> None:
    assert operation.summary
    assert operation.handler.__doc__
    assert operation.responses


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_allow_has_exactly_the_methods_that_a_path_answers(dialect: MountedApp) -> None:
    """Each operation is found by its own path, and no other method of the path is."""
    operations = list(dialect.operations)
    assert operations
    for operation in operations:
        path = PARAMETER.sub(_sample, operation.path)
        answered = {
            method
            for method in METHODS
            if (handler := _found(dialect, method, path)) is not None and not isinstance(handler, str)
        }
        own = {
            o.method for o in operations if PARAMETER.sub("{}", o.path) == PARAMETER.sub("{}", operation.path)
        }
        assert answered == own, path
        assert _found(dialect, "PROPFIND", path) == ", ".join(sorted(own)), path


PARAMETER = re.compile(r"\{[^}]*\}")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")


def _sample(parameter: re.Match[str]) -> str:
    """Return a value that a parameter of a path matches."""
    return "0198c9a1-6f0e-4c5e-9a53-1d4f4f0a7b10" if ":uuid" in parameter[0] else "7"


def _found(dialect: MountedApp, method: str, path: str) -> Handler | str | None:
    """Return the handler of a request, the Allow header of a 405, or None for a 404."""
    try:
        return dialect.operations.find({"method": method, "path": path})
    except HTTPException as error:
        return (error.headers or {}).get("Allow")
