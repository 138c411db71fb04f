"""Reading what a client sent, the same way for every dialect."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, NoReturn

from fastapi import Path, Request
from pydantic import BeforeValidator
from starlette.exceptions import HTTPException

_NOT_JSON = re.compile(r"multipart/.*|(application|text)/xml|[^;]*\+xml")
_DIGITS = re.compile(r"[0-9]{1,19}")
_BIGINT = 2**63 - 1


async def read_object(request: Request) -> Mapping[str, object]:
    """
    Read the body as one JSON object, whatever its content type says (`curl -d` says a form).

    415 for multipart, XML and a compressed body; 400 for what is not JSON,
    NaN and Infinity among it, and for JSON that is no object.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if _NOT_JSON.fullmatch(content_type):
        raise HTTPException(415, f"The body must be JSON, not {content_type}")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(415, "The body must not be compressed")
    try:
        document = json.loads(await request.body(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise HTTPException(400, "The body is not valid JSON") from None
    if not isinstance(document, dict):
        raise HTTPException(400, "The body must be a JSON object")
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _digits(raw: object) -> object:
    if isinstance(raw, str) and not _DIGITS.fullmatch(raw):
        raise ValueError("not an id")
    return raw


Id = Annotated[int, BeforeValidator(_digits), Path(ge=0, le=_BIGINT)]
"""A number in a path. Whatever can be no id of ours is 404, as one that nobody has."""
