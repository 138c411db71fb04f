"""Reading what a client sent, the same way for every dialect."""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, NoReturn
from urllib.parse import parse_qsl

from fastapi import Path, Request
from pydantic import BeforeValidator
from starlette.exceptions import HTTPException

_NEVER = re.compile(r"multipart/.*|(application|text)/xml|[^;]*\+xml")
_DIGITS = re.compile(r"[0-9]{1,19}")
_ONE_OF_MANY = re.compile(r"\[[0-9]{0,9}\]\Z")
_MOST_FIELDS = 20_000
_FORM = "application/x-www-form-urlencoded"
_BIGINT = 2**63 - 1


async def read_object(request: Request) -> Mapping[str, object]:
    """
    Read the body as one JSON object, whatever its content type says (`curl -d` says a form).

    415 for multipart, XML and a compressed body; 400 for what is not JSON,
    NaN and Infinity among it, and for JSON that is no object.
    """
    _media_type(request, wanted="JSON")
    try:
        document = json.loads(await request.body(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise HTTPException(400, "The body is not valid JSON") from None
    if not isinstance(document, dict):
        raise HTTPException(400, "The body must be a JSON object")
    return document


async def read_fields(request: Request) -> Mapping[str, object]:
    """
    Read the fields of the body, a form or one JSON object.

    A JSON object is taken whatever the content type says, and an empty body
    has no fields. A form need not call itself one; in it a value is a string,
    and a name that comes several times, or as `name[]`, has a list of them.
    415 for multipart, XML and a compressed body, 400 for all else.
    """
    content_type = _media_type(request, wanted="a form or JSON")
    raw = await request.body()
    document = _object_in(raw)
    if document is not None:
        return document
    if raw.strip() and content_type not in ("", _FORM):
        raise HTTPException(400, "The body must be a form or a JSON object")
    return _form(raw.decode("utf-8", "surrogateescape"))


def stream_file(request: Request) -> Iterator[bytes]:
    """
    Give the body, a file, as it comes: to be gone through in another thread than the loop's.

    415 for multipart, XML and a compressed body. Going through it raises what
    the request's own stream does, such as when the client leaves.
    """
    _media_type(request, wanted="the file itself")
    loop, chunks = asyncio.get_running_loop(), request.stream()

    async def take() -> bytes | None:
        return await anext(chunks, None)

    def taken() -> Iterator[bytes]:
        while (chunk := asyncio.run_coroutine_threadsafe(take(), loop).result()) is not None:
            yield chunk

    return taken()


def query_fields(request: Request) -> Mapping[str, object]:
    """Read the fields of the query, as those of a form."""
    return _form(request.url.query)


def _media_type(request: Request, *, wanted: str) -> str:
    """Give what the body says it is, 415 if it cannot be what is wanted."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if _NEVER.fullmatch(media_type):
        raise HTTPException(415, f"The body must be {wanted}, not {media_type}")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(415, "The body must not be compressed")
    return media_type


def _object_in(raw: bytes) -> dict[str, object] | None:
    """Give the JSON object that a body is, None when it is something else."""
    try:
        document = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _form(encoded: str) -> Mapping[str, object]:
    """Read names and values; a byte that is no UTF-8 becomes half a surrogate pair, which nothing accepts."""
    try:
        pairs = parse_qsl(
            encoded.strip(), keep_blank_values=True, errors="surrogateescape", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise HTTPException(400, f"There are more than {_MOST_FIELDS} fields") from None
    values: dict[str, list[str]] = {}
    listed = set()
    for written, value in pairs:
        name = _ONE_OF_MANY.sub("", written)
        values.setdefault(name, []).append(value)
        if name != written or len(values[name]) > 1:
            listed.add(name)
    return {name: found if name in listed else found[0] for name, found in values.items()}


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _digits(raw: object) -> object:
    if isinstance(raw, str) and not _DIGITS.fullmatch(raw):
        raise ValueError("not an id")
    return raw


Id = Annotated[int, BeforeValidator(_digits), Path(ge=0, le=_BIGINT)]
"""A number in a path. Whatever can be no id of ours is 404, as one that nobody has."""
