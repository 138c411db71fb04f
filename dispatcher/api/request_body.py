"""Bodies: reading those of requests, in the same way for every dialect, and writing JSON."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from dispatcher.api.limits.body_limit import SMALL, LimitedBody
from dispatcher.api.limits.sliced_json import (
    MOST_VALUES,
    Pairs,
    SlicedDecoder,
    TooManyValues,
    members_at_start,
    unquote_in_slices,
)
from dispatcher.service.yielding import yielding

LARGEST_ID = 2**63 - 1
"""The largest id that Postgres stores."""

_UNSUPPORTED = re.compile(r"multipart/.*|(application|text)/xml|[^;]*\+xml")
_DIGITS = re.compile(r"[0-9]{1,19}")
_ARRAY_SUFFIX = re.compile(r"\[[0-9]{0,9}\]\Z")
_MAX_FIELDS = 20_000
_FORM = "application/x-www-form-urlencoded"

_canonical = json.JSONEncoder(separators=(",", ":"), sort_keys=True)
_encode_canonical = _canonical.encode
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class Json(JSONResponse):
    """JSON with characters as they are; half of a surrogate pair, which UTF-8 cannot encode, becomes "?"."""

    media_type = "application/json; charset=utf-8"

    def render(self, content: object) -> bytes:
        """Return the body, in UTF-8."""
        return _encode(content).encode("utf-8", "replace")


async def read_object(request: Request, *, is_strict: bool = False) -> Mapping[str, object]:
    """
    Return the body, a JSON object, whatever its content type says (`curl -d` says a form).

    Raises HTTPException: 415 for multipart, XML and a compressed body; 400 for a
    body that is not JSON, has NaN or Infinity, or is not an object; if strict, also
    for an object that has a name twice, of which JSON's readers take the last.
    """
    _media_type(request, wanted="JSON")
    try:
        document = await _parse(await request.body(), _refuse_repeated if is_strict else None)
    except (ValueError, RecursionError):
        raise HTTPException(400, "The body is not valid JSON") from None
    if not isinstance(document, dict):
        raise HTTPException(400, "The body must be a JSON object")
    return document


async def read_fields(request: Request) -> Mapping[str, object]:
    """
    Return the fields of the body, a form or a JSON object.

    A JSON object is accepted whatever the content type says, and an empty body
    has no fields. A form needs no content type; in it a value is a string, and a
    name that comes several times, or as `name[]`, has a list of them. Raises
    HTTPException: 415 for multipart, XML and a compressed body, 400 for any other.
    """
    content_type = _media_type(request, wanted="a form or JSON")
    raw = await request.body()
    document = await _object_in(raw)
    if document is not None:
        return document
    if raw.strip() and content_type not in ("", _FORM):
        raise HTTPException(400, "The body must be a form or a JSON object")
    return await _large_form(raw) if len(raw) > SMALL else _form(raw.decode("utf-8", "surrogateescape"))


async def fields_at_start(request: Request) -> Mapping[str, object] | None:
    """
    Return the fields in the first 64 KiB of a larger body, to find a credential there; None for a small body.

    Of a JSON object and of a form those are there that are whole; the last pair of a form may be cut.
    """
    body = request.state.body
    assert isinstance(body, LimitedBody)
    start, is_all = await body.start()
    if is_all:
        return None
    start = start[:SMALL]
    return members_at_start(start) or _form(start.rpartition(b"&")[0].decode("utf-8", "surrogateescape"))


async def canonical_body(raw: bytes) -> bytes:
    """
    Return a body in the form that all bodies with the same content have.

    Of a JSON object that is its fields in order, without white space and with
    the same escapes: two that differ only so are the same request. An integer and
    a fraction stay different (1 and 1.0), because not every field takes both. A
    body in which an object has a name twice, and any other body, such as a form,
    is as it came.
    """
    try:
        document = await _parse(raw, _unrepeated)
        if not isinstance(document, dict):
            return raw
        if len(raw) <= SMALL:
            return _encode_canonical(document).encode()
        return "".join([part async for part in yielding(_canonical.iterencode(document))]).encode()
    except (ValueError, RecursionError):
        return raw


def stream_file(request: Request) -> Iterator[bytes]:
    """
    Return the chunks of the body, a file, to be iterated in another thread than the loop's.

    Raises HTTPException, 415, for multipart, XML and a compressed body. The
    iteration raises what the request's stream raises, such as ClientDisconnect.
    """
    _media_type(request, wanted="the file itself")
    loop, chunks = asyncio.get_running_loop(), request.stream()

    async def read() -> bytes | None:
        return await anext(chunks, None)

    def iterate() -> Iterator[bytes]:
        while (chunk := asyncio.run_coroutine_threadsafe(read(), loop).result()) is not None:
            yield chunk

    return iterate()


def query_fields(request: Request) -> Mapping[str, object]:
    """Return the fields of the query, read as a form."""
    return _form(request.url.query)


def id_in_path(request: Request, name: str) -> int:
    """Return the id in a path. Raises HTTPException, 404, if it cannot be one of ours."""
    value = request.path_params[name]
    if not _DIGITS.fullmatch(value) or int(value) > LARGEST_ID:
        raise HTTPException(404)
    return int(value)


def _media_type(request: Request, *, wanted: str) -> str:
    """Return the media type of the body. Raises HTTPException, 415, if that cannot be `wanted`."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if _UNSUPPORTED.fullmatch(media_type):
        raise HTTPException(415, f"The body must be {wanted}, not {media_type}")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(415, "The body must not be compressed")
    return media_type


async def _parse(raw: bytes, pairs_hook: Callable[[Pairs], Any] | None = None) -> object:
    """
    Return the JSON document of a body, a large one in slices.

    Raises ValueError, RecursionError, and HTTPException 413 for one with very many values.
    """
    if len(raw) <= SMALL:
        return json.loads(raw, parse_constant=_refuse_constant, object_pairs_hook=pairs_hook)
    try:
        return await SlicedDecoder(parse_constant=_refuse_constant, object_pairs_hook=pairs_hook).decode(raw)
    except TooManyValues:
        raise HTTPException(413, f"The body has more than {MOST_VALUES} values") from None


async def _object_in(raw: bytes) -> dict[str, object] | None:
    """Return the JSON object in a body, None if the body is anything else."""
    try:
        document = await _parse(raw)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _form(encoded: str) -> Mapping[str, object]:
    """Return names and values; a byte that is not UTF-8 becomes half a surrogate pair."""
    try:
        pairs = parse_qsl(
            encoded.strip(), keep_blank_values=True, errors="surrogateescape", max_num_fields=_MAX_FIELDS
        )
    except ValueError:
        raise HTTPException(400, f"There are more than {_MAX_FIELDS} fields") from None
    return _by_name(pairs)


async def _large_form(raw: bytes) -> Mapping[str, object]:
    """Return names and values as `_form` does, read in slices."""
    parts = [part for part in raw.strip().split(b"&") if part]
    if len(parts) > _MAX_FIELDS:
        raise HTTPException(400, f"There are more than {_MAX_FIELDS} fields")
    pairs = []
    for part in parts:
        name, _, value = part.partition(b"=")
        pairs.append((await unquote_in_slices(name), await unquote_in_slices(value)))
    return _by_name(pairs)


def _by_name(pairs: Pairs) -> Mapping[str, object]:
    values: dict[str, list[str]] = {}
    arrays = set()
    for raw_name, value in pairs:
        name = _ARRAY_SUFFIX.sub("", raw_name)
        values.setdefault(name, []).append(value)
        if name != raw_name or len(values[name]) > 1:
            arrays.add(name)
    return {name: all_of if name in arrays else all_of[0] for name, all_of in values.items()}


def _unrepeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(values := dict(pairs)) < len(pairs):
        raise ValueError("a name is there twice")
    return values


def _refuse_repeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(values := dict(pairs)) < len(pairs):
        [(name, count)] = Counter(name for name, _ in pairs).most_common(1)
        raise HTTPException(400, f"The body has the field {name!r} {count} times: give it once")
    return values


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
