"""Writing OpenAPI from the samples of a dialect's document: a sample is the example and gives the schema."""

from collections.abc import Mapping
from typing import Any

from dispatcher.api.door import Json

Schema = dict[str, Any]


def answer(text: str, example: object = None, *, schema: Schema | None = None) -> dict[str, Any]:
    """Describe one answer; without an example it has no body worth showing."""
    if example is None:
        return {"description": text}
    content = {"schema": schema or schema_of(example), "example": example}
    return {"description": text, "content": {Json.media_type: content}}


def body(example: Mapping[str, object], *, required: list[str], schemas: Mapping[str, Schema]) -> Schema:
    """Describe a request's body, for `openapi_extra`; `schemas` says more of a field than its sample does."""
    schema = schema_of(example)
    for name, told in schemas.items():
        schema["properties"].setdefault(name, {}).update(told)
    schema["required"] = required
    content = {"schema": schema, "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def schema_of(example: object) -> Schema:
    """Read a JSON schema off a sample."""
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
