"""
The OpenAPI document of a list of operations, and helpers that describe an operation by examples.

The schema of a body is derived from its example.
"""

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.routing import compile_path

from dispatcher.api.operations import Operation
from dispatcher.api.request_body import LARGEST_ID, Json
from dispatcher.version import VERSION

Schema = dict[str, Any]

Responses = dict[int | str, dict[str, Any]]
"""The descriptions of an operation's responses, by status."""


def document(title: str, description: str, operations: Iterable[Operation]) -> Schema:
    """Return the OpenAPI document of these operations."""
    paths: dict[str, Schema] = {}
    schemes: Schema = {}
    for operation in operations:
        if operation.is_documented:
            _, path, _ = compile_path(operation.path)
            paths.setdefault(path, {})[operation.method.lower()] = _operation(operation)
            schemes |= {scheme.name: scheme.definition for scheme in operation.security}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "description": description, "version": VERSION},
        "paths": paths,
        "components": {"securitySchemes": schemes},
    }


def answer(text: str, example: object = None, *, schema: Schema | None = None) -> Schema:
    """Return the description of a response; without an example it has no body."""
    if example is None:
        return {"description": text}
    content = {"schema": schema or schema_of(example), "example": example}
    return {"description": text, "content": {Json.media_type: content}}


def body(example: Mapping[str, object], *, required: list[str], schemas: Mapping[str, Schema]) -> Schema:
    """Return the description of a request's body; `schemas` adds to the schemas of its fields."""
    schema = schema_of(example)
    for name, more in schemas.items():
        schema["properties"].setdefault(name, {}).update(more)
    schema["required"] = required
    content = {"schema": schema, "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def describe_id_in_path(name: str) -> Schema:
    """Return the description of a path parameter that is the id of a row."""
    schema = {"type": "integer", "minimum": 0, "maximum": LARGEST_ID}
    return {"parameters": [_path_parameter(name, schema)]}


def schema_of(example: object) -> Schema:
    """Return the JSON schema of an example."""
    match example:
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer"}
        case str():
            return {"type": "string"}
        case [first, *_]:
            return {"type": "array", "items": schema_of(first)}
        case Mapping():
            return {
                "type": "object",
                "properties": {name: schema_of(value) for name, value in example.items()},
            }
    return {}


def _operation(operation: Operation) -> Schema:
    _, path, convertors = compile_path(operation.path)
    name = getattr(operation.handler, "__name__", "operation")
    described: Schema = {
        "summary": operation.summary or name.replace("_", " ").capitalize(),
        "operationId": re.sub(r"\W", "_", f"{name}{path}") + f"_{operation.method.lower()}",
        **operation.request,
        "responses": {str(status): response for status, response in operation.responses.items()},
    }
    if text := inspect.getdoc(operation.handler):
        described["description"] = text
    if operation.tags:
        described["tags"] = list(operation.tags)
    if operation.is_deprecated:
        described["deprecated"] = True
    if operation.security:
        described["security"] = [{scheme.name: []} for scheme in operation.security]
    if parameters := _parameters(operation.request, convertors):
        described["parameters"] = parameters
    return described


def _parameters(request: Mapping[str, Any], in_path: Iterable[str]) -> list[Schema]:
    """Return the described parameters; a path parameter without a description is a string."""
    described = request.get("parameters", [])
    known = {parameter["name"] for parameter in described if parameter["in"] == "path"}
    return [
        *(_path_parameter(name, {"type": "string"}) for name in in_path if name not in known),
        *described,
    ]


def _path_parameter(name: str, schema: Schema) -> Schema:
    titled = {**schema, "title": name.replace("_", " ").title()}
    return {"name": name, "in": "path", "required": True, "schema": titled}
