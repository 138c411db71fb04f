"""The routers of the management API, which serve operators only and refuse unknown names in requests."""

from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from functools import cached_property, wraps
from typing import Any, NoReturn, TypeVar, cast

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic_core import ErrorDetails

from dispatcher.api.manage.auth import authenticate_operator
from dispatcher.api.manage.problems import from_validation
from dispatcher.api.request_body import read_object
from dispatcher.domain.errors import FieldError, InvalidFields
from dispatcher.domain.spelling import unknown_name
from dispatcher.strict_model import without_faults

log = structlog.get_logger()

PREFIX = "/manage/v1"

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Faults = list[dict[str, object]]
E = TypeVar("E", bound=Callable[..., object])


class _JsonRequest(Request):
    """A request whose body is JSON, whatever its content type says, once FastAPI reads it."""

    _content: bytes | None = None

    async def body(self) -> bytes:
        """Return the body. Raises HTTPException, 400 or 415, when it is not a JSON object."""
        if self._content is None:
            received = Request(self.scope, self.receive)
            await read_object(received, is_strict=True)
            self._content = await received.body()
            others = [(name, value) for name, value in self.scope["headers"] if name != b"content-type"]
            self.scope["headers"] = [*others, (b"content-type", b"application/json")]
        return self._content


ContentCheck = Callable[[Request, Mapping[str, object]], Awaitable[Sequence[FieldError]]]
"""Returns what is wrong with the content of a body whose form has faults; it gets the fields without any."""

_CONTENT_CHECK = "content_check"


def checks_content(check: ContentCheck) -> Callable[[E], E]:
    """
    Return a decorator of an endpoint: an answer with faults of form also has those that `check` finds.

    Faults of form are those that FastAPI finds by the types of the fields.
    """

    def mark(endpoint: E) -> E:
        setattr(endpoint, _CONTENT_CHECK, check)
        return endpoint

    return mark


class _NothingElse(Exception):
    """Raised by a request that has no fault but unknown names."""


class _OperatorRoute(APIRoute):
    """
    A route that authenticates the operator before FastAPI validates the request, and logs changes.

    FastAPI ignores parameters that it does not know, and bodies where it expects
    none. Here they are faults like any other, because a misspelt filter would find
    everything, and a misspelt condition would cancel everything.
    """

    def get_route_handler(self) -> Handler:
        """Return the function that serves a request."""
        handle = super().get_route_handler()

        async def authenticated(request: Request) -> Response:
            operator = await authenticate_operator(request)
            request.state.operator = operator.name
            request.state.body.trust((None, operator.credential_id))
            request.state.caller = {"credential": operator.credential_id}
            received = _JsonRequest(request.scope, request.receive)
            try:
                if unknown := [*self._unknown_parameters(request), *await self._unknown_body(received)]:
                    await self._refuse(received, unknown)
                response = await handle(received)
            except RequestValidationError as error:
                raise await self._with_content(received, error) from None
            if request.method != "GET":
                log.info("operator_acted", operator=operator.name, method=request.method, route=self.path)
            return response

        return authenticated

    @cached_property
    def _operation(self) -> Mapping[str, Any]:
        """The description of this route in OpenAPI."""
        [path] = get_openapi(title="", version="", routes=[self])["paths"].values()
        [operation] = path.values()
        return cast("Mapping[str, Any]", operation)

    @cached_property
    def _parameters(self) -> Mapping[str, bool]:
        """The names of the parameters in the query, and whether each may be repeated."""
        described = self._operation.get("parameters", [])
        return {one["name"]: "array" in str(one["schema"]) for one in described if one["in"] == "query"}

    @cached_property
    def _validate(self) -> Handler:
        """A handler that validates a request as this route does, and then raises _NothingElse."""

        @wraps(self.endpoint)
        async def stop(**_: object) -> NoReturn:
            raise _NothingElse

        return APIRoute(
            self.path, stop, methods=list(self.methods or ()), response_model=None
        ).get_route_handler()

    def _unknown_parameters(self, request: Request) -> Iterator[dict[str, object]]:
        for name in request.query_params:
            values = request.query_params.getlist(name)
            if name not in self._parameters:
                yield _fault("query", name, unknown_name(name, self._parameters))
            elif len(values) > 1 and not self._parameters[name]:
                yield _fault("query", name, f"is given {len(values)} times")

    async def _unknown_body(self, request: Request) -> Faults:
        """Return the fields of a body where none is expected. Raises HTTPException if it is no object."""
        if "requestBody" in self._operation:
            return []
        received = Request(request.scope, request.receive)
        if not (await received.body()).strip():
            return []
        names = await read_object(received, is_strict=True)
        return [_fault("body", name, "unknown; this request takes no fields") for name in names]

    async def _refuse(self, request: Request, unknown: Faults) -> NoReturn:
        """Raise RequestValidationError with the unknown names and all other faults of the request."""
        try:
            await self._validate(request)
        except RequestValidationError as error:
            raise RequestValidationError([*unknown, *error.errors()], body=error.body) from None
        except _NothingElse:
            pass
        raise RequestValidationError(unknown)

    async def _with_content(self, request: Request, error: RequestValidationError) -> Exception:
        """Return the error with all faults: of form, and of content if the endpoint checks that."""
        refusal = from_validation(error)
        check: ContentCheck | None = getattr(self.endpoint, _CONTENT_CHECK, None)
        if check is None or not isinstance(refusal, InvalidFields):
            return refusal
        of_body = [
            {**fault, "loc": fault["loc"][1:]} for fault in error.errors() if fault["loc"][0] == "body"
        ]
        valid = without_faults(await read_object(request), cast("list[ErrorDetails]", of_body))
        left_out = {fault["loc"][0] for fault in of_body if fault["loc"]} - valid.keys()
        found = [fault for fault in await check(request, valid) if fault.field not in left_out]
        return InvalidFields([*refusal.faults, *found])


def _fault(place: str, name: str, text: str) -> dict[str, object]:
    return {"type": "unknown", "loc": (place, name), "msg": text, "input": None}


def operator_router(tag: str) -> APIRouter:
    """Return a router whose routes are for operators, all with this tag in OpenAPI; paths are full paths."""
    return APIRouter(route_class=_OperatorRoute, tags=[tag])
