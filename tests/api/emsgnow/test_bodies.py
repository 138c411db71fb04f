"""eMsgNow refuses bodies: what is no JSON object, whatever it calls itself."""

import pytest

from tests.api.client import ApiClient
from tests.api.emsgnow.sample import PATH, ask
from tests.world import World


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"hello", b"to=1&from=2", b"\xff\xfe\x00", b'{"to": NaN}', b"[Infinity]", b"[" * 100_000],
)
def test_a_body_that_is_not_json_is_400(world: World, raw: bytes) -> None:
    async def story(desk: ApiClient) -> None:
        response = await desk.http.post(PATH, content=raw)
        assert (response.status_code, response.json()) == (400, {"error": "The body is not valid JSON"})

    ask(world, story)


@pytest.mark.parametrize("raw", [b"[]", b'"text"', b"null", b"5", b"true"])
def test_json_that_is_no_object_is_400(world: World, raw: bytes) -> None:
    async def story(desk: ApiClient) -> None:
        response = await desk.http.post(PATH, content=raw)
        assert (response.status_code, response.json()) == (400, {"error": "The body must be a JSON object"})

    ask(world, story)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/xml"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_multipart_xml_and_compressed_bodies_are_415(world: World, headers: dict[str, str]) -> None:
    async def story(desk: ApiClient) -> None:
        response = await desk.http.post(PATH, content=b"{}", headers=headers)
        assert (response.status_code, list(response.json())) == (415, ["error"])

    ask(world, story)


def test_a_number_that_no_float_holds_is_no_variable(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        raw = b'{"to": "+1234567890", "from": "SHOP", "message": "x", "variables": {"n": 1e999}}'
        response = await desk.http.post(PATH, content=raw)
        assert response.status_code == 400
        assert response.json() == {"error": "variables: each value must be a string, a number or a boolean"}

    ask(world, story)
