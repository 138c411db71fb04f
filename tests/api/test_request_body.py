"""Reading the fields of a request, wherever they are."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from dispatcher.api.request_body import canonical_body, query_fields, read_fields

FORM = "application/x-www-form-urlencoded"


def request(raw: bytes = b"", *, query: str = "", **headers: str) -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": raw, "more_body": False}

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": query.encode(), "headers": named}
    return Request(scope, receive)


def fields(raw: bytes, content_type: str | None = None) -> Mapping[str, object]:
    headers = {} if content_type is None else {"content_type": content_type}
    return asyncio.run(read_fields(request(raw, **headers)))


def canonical(raw: bytes) -> bytes:
    return asyncio.run(canonical_body(raw))


@pytest.mark.parametrize("content_type", [None, FORM, "application/json", "text/plain"])
def test_a_json_object_is_accepted_whatever_its_content_type_says(content_type: str | None) -> None:
    assert fields(b' {"a": [1, null]}\n', content_type) == {"a": [1, None]}


@pytest.mark.parametrize("content_type", [None, FORM, f"{FORM.upper()}; charset=utf-8"])
def test_a_form_is_read_with_its_content_type_or_without_one(content_type: str | None) -> None:
    assert fields(b"a=1&b=x+y%2B%C3%A9&c=&d", content_type) == {"a": "1", "b": "x y+é", "c": "", "d": ""}


@pytest.mark.parametrize("content_type", [None, FORM, "application/json", "text/plain"])
@pytest.mark.parametrize("raw", [b"", b" \r\n"])
def test_an_empty_body_has_no_fields(raw: bytes, content_type: str | None) -> None:
    assert fields(raw, content_type) == {}


def test_a_repeated_field_is_a_list_and_nothing_is_lost() -> None:
    assert fields(b"a=1&a=2&b=1") == {"a": ["1", "2"], "b": "1"}
    assert fields(b"a[]=1&b%5B0%5D=1&b[1]=2") == {"a": ["1"], "b": ["1", "2"]}


def test_bytes_that_are_not_utf8_become_half_a_surrogate_pair() -> None:
    assert fields(b"a=%E9&b=\xe9") == {"a": "\udce9", "b": "\udce9"}


@pytest.mark.parametrize("raw", [b"[1]", b'"a"', b"5", b"{", b'{"a": NaN}', b"[" * 100_000, b"a=1", b"\xff"])
@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_a_body_that_is_neither_a_form_nor_a_json_object_is_400(raw: bytes, content_type: str) -> None:
    with pytest.raises(HTTPException) as refused:
        fields(raw, content_type)
    assert refused.value.status_code == 400


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data; boundary=x", "application/xml", "text/xml", "application/soap+xml"]
)
def test_multipart_and_xml_are_415(content_type: str) -> None:
    with pytest.raises(HTTPException) as refused:
        fields(b'{"a": 1}', content_type)
    assert refused.value.status_code == 415


def test_a_compressed_body_is_415() -> None:
    with pytest.raises(HTTPException) as refused:
        asyncio.run(read_fields(request(b"a=1", content_encoding="gzip")))
    assert refused.value.status_code == 415


def test_more_fields_than_anybody_needs_are_400() -> None:
    with pytest.raises(HTTPException) as refused:
        fields(b"a&" * 20_001)
    assert refused.value.status_code == 400


def test_a_query_is_read_as_a_form_is() -> None:
    assert query_fields(request(query="a=1&b[]=2&c=x+y")) == {"a": "1", "b": ["2"], "c": "x y"}


@pytest.mark.parametrize(
    "other",
    [b'{"b": [1, {"y": 2, "x": 1}], "a": "\xc3\xa9"}', b'{"a":"\\u00e9",\n"b":[1,{"x":1,"y":2}]}\n'],
)
def test_the_same_json_in_another_order_and_with_other_blanks_is_the_same_body(other: bytes) -> None:
    assert canonical(other) == canonical(b'{"a":"\xc3\xa9","b":[1,{"y":2,"x":1}]}')


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a":1}', b'{"a":2}'),
        (b'{"a":1}', b'{"a":1.0}'),
        (b'{"a":1}', b'{"a":true}'),
        (b'{"a":1}', b'{"a":"1"}'),
        (b'{"a":[1,2]}', b'{"a":[2,1]}'),
        (b'{"a":null}', b"{}"),
        (b'{"a":9007199254740992}', b'{"a":9007199254740993}'),
        (b'{"a":1,"a":2}', b'{"a":2,"a":1}'),
        (b'{"a":1,"a":2}', b'{"a":2}'),
        (b"a=1&b=2", b"b=2&a=1"),
    ],
)
def test_bodies_that_may_mean_something_else_are_different(one: bytes, other: bytes) -> None:
    assert canonical(one) != canonical(other)
