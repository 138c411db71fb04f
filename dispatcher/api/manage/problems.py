"""The errors of the management API: problem details (RFC 9457), as responses and in OpenAPI."""

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from dispatcher.api.errors import PROBLEM, ErrorResponse, problem
from dispatcher.api.openapi import Responses
from dispatcher.domain.errors import InvalidFields

_SCHEMA = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "faults": {  # of a campaign's plan, and of routes
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
                "required": ["field", "detail"],
            },
        },
    },
    "required": ["type", "title", "status", "detail"],
}


def problems(**texts: str) -> Responses:
    """Return the description of error responses for OpenAPI, such as `_404="No such account"`."""
    content = {PROBLEM: {"schema": _SCHEMA}}
    return {code.removeprefix("_"): {"description": text, "content": content} for code, text in texts.items()}


def envelope(error: ErrorResponse) -> object:
    """Return the body of an error; for a campaign's plan or for routes it lists each field that is wrong."""
    if not isinstance(error.error, InvalidFields):
        return problem(error)
    faults = [{"field": fault.field, "detail": fault.sentence} for fault in error.error.faults]
    return {**problem(error), "faults": faults}


def from_validation(error: RequestValidationError) -> HTTPException:
    """Return 404 for a path parameter that is not valid, 400 for another parameter or the body."""
    faults = error.errors()
    if any(fault["loc"][0] == "path" for fault in faults):
        return HTTPException(404)
    lines = (f"{'.'.join(map(str, fault['loc'][1:]))}: {fault['msg']}" for fault in faults)
    return HTTPException(400, "; ".join(lines))
