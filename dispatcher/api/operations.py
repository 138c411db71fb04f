"""
The operations of an HTTP API: each has its path, method, handler and OpenAPI description in one place.

A handler takes a Starlette request and returns a response; it reads what it
needs from the request itself, so that nothing stands between it and the router.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from starlette.convertors import Convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import Scope

Handler = Callable[[Request], Awaitable[Response]]
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True, slots=True)
class SecurityScheme:
    """A way to authenticate: its name in the OpenAPI document, and its definition there."""

    name: str
    definition: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """
    One method of one path.

    `request` is what OpenAPI says of the request (`requestBody`, `parameters`),
    `responses` what it says of each status. `security` lists the schemes of which
    one is enough.
    """

    method: str
    path: str
    handler: Handler
    summary: str = ""
    request: Mapping[str, Any] = field(default_factory=dict)
    responses: Mapping[int | str, Mapping[str, Any]] = field(default_factory=dict)
    security: Sequence[SecurityScheme] = ()
    tags: Sequence[str] = ()
    is_deprecated: bool = False
    is_documented: bool = True


@dataclass(frozen=True, slots=True)
class _Template:
    """An operation whose path has parameters."""

    operation: Operation
    pattern: re.Pattern[str]
    convertors: Mapping[str, Convertor[Any]]


class Operations:
    """
    A list of operations, found by method and path.

    `tags` and `security` apply to the operations declared here that name no others.
    """

    def __init__(self, *, tags: Sequence[str] = (), security: Sequence[SecurityScheme] = ()) -> None:
        self._tags = tags
        self._security = security
        self._all: list[Operation] = []
        self._by_path: dict[str, dict[str, Operation]] = {}
        self._templates: list[_Template] = []

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._all)

    def add(
        self,
        method: str,
        path: str,
        *,
        summary: str = "",
        request: Mapping[str, Any] | None = None,
        responses: Mapping[int | str, Mapping[str, Any]] | None = None,
        security: Sequence[SecurityScheme] | None = None,
        is_deprecated: bool = False,
        is_documented: bool = True,
    ) -> Callable[[H], H]:
        """Return a decorator that adds an operation; the docstring of its handler is its description."""

        def decorate(handler: H) -> H:
            operation = Operation(
                method=method,
                path=path,
                handler=handler,
                summary=summary,
                request=request or {},
                responses=responses or {},
                security=self._security if security is None else security,
                tags=self._tags,
                is_deprecated=is_deprecated,
                is_documented=is_documented,
            )
            self._append(operation)
            return handler

        return decorate

    def include(self, others: Iterable[Operation], *, prefix: str = "", is_documented: bool = True) -> None:
        """Add the operations of another list, each below `prefix`."""
        for other in others:
            shown = is_documented and other.is_documented
            self._append(replace(other, path=prefix + other.path, is_documented=shown))

    def find(self, scope: Scope) -> Handler:
        """
        Return the handler of a request, with the path's parameters in its scope.

        A path without parameters comes before all that have some; of these, the one
        added first. Raises HTTPException: 405 with all methods of the path, else 404.
        """
        method, path = scope["method"], scope["path"].removeprefix(scope.get("root_path", ""))
        if (operation := self._by_path.get(path, {}).get(method)) is not None:
            return operation.handler
        for template in self._templates:
            if template.operation.method == method and (found := template.pattern.match(path)):
                values = found.groupdict()
                scope["path_params"] = {
                    name: convertor.convert(values[name]) for name, convertor in template.convertors.items()
                }
                return template.operation.handler
        if methods := self._methods(path):
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(methods))})
        raise HTTPException(404)

    def _append(self, operation: Operation) -> None:
        self._all.append(operation)
        pattern, _, convertors = compile_path(operation.path)
        if convertors:
            self._templates.append(_Template(operation, pattern, convertors))
        else:
            self._by_path.setdefault(operation.path, {}).setdefault(operation.method, operation)

    def _methods(self, path: str) -> set[str]:
        fitting = (template for template in self._templates if template.pattern.match(path))
        return {*self._by_path.get(path, {}), *(template.operation.method for template in fitting)}
