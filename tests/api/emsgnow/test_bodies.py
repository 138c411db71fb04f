"""eMsgNow refuses bodies that are not a JSON object, whatever their content type."""

import pytest

from tests.api.client import ApiClient
from tests.api.emsgnow.sample import PATH, run_with_api
from tests.world import World


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"hello", b"to=1&from=2", b"\xff\xfe\x00", b'{"to": NaN}', b"[Infinity]", b"[" * 100_000],
)
def test_a_body_that_is_not_json_is_400(world: World, raw: bytes) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(PATH, content=raw)
        assert (response.status_code, response.json()) == (400, {"error": "The body is not valid JSON"})

    run_with_api(world, story)


@pytest.mark.parametrize("raw", [b"[]", b'"text"', b"null", b"5", b"true"])
def test_json_that_is_not_an_object_is_400(world: World, raw: bytes) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(PATH, content=raw)
        assert (response.status_code, response.json()) == (400, {"error": "The body must be a JSON object"})

    run_with_api(world, story)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/xml"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_multipart_xml_and_compressed_bodies_are_415(world: World, headers: dict[str, str]) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(PATH, content=b"{}", headers=headers)
        assert (response.status_code, list(response.json())) == (415, ["error"])

    run_with_api(world, story)


def test_a_number_that_no_float_can_represent_is_not_a_variable(world: World) -> None:
    async def story(api: ApiClient) -> None:
        raw = b'{"to": "+1234567890", "from": "SHOP", "message": "x", "variables": {"n": 1e999}}'
        response = await api.http.post(PATH, content=raw)
        assert response.status_code == 400
        assert response.json() == {"error": "variables: each value must be a string, a number or a boolean"}

    run_with_api(world, story)
