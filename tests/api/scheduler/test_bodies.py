"""SMS Scheduler refuses bodies that are not a JSON object, whatever their content type."""

import pytest

from tests.api.client import ApiClient, run_with_api
from tests.api.scheduler.sample import PATH
from tests.world import World


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"hello",
        b"a=1&b=2",
        b"\xff\xfe\x00",
        b'{"message_text": NaN}',
        b"[Infinity]",
        b"[" * 100_000,
    ],
)
def test_a_body_that_is_not_json_is_400(world: World, raw: bytes) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(PATH, content=raw)
        assert response.status_code == 400
        assert response.json() == {"errors": {"body": ["The body is not valid JSON"]}}
        assert await api.rows() == 0

    run_with_api(world, story)


@pytest.mark.parametrize("raw", [b"[]", b'"text"', b"null", b"5", b"true"])
def test_json_that_is_not_an_object_is_400(world: World, raw: bytes) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(PATH, content=raw)
        assert response.status_code == 400
        assert response.json() == {"errors": {"body": ["The body must be a JSON object"]}}

    run_with_api(world, story)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/xml"},
        {"Content-Type": "TEXT/XML; charset=utf-8"},
        {"Content-Type": "application/soap+xml"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_multipart_xml_and_compressed_bodies_are_415(world: World, headers: dict[str, str]) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(PATH, content=b"{}", headers=headers)
        assert response.status_code == 415
        assert list(response.json()["errors"]) == ["body"]

    run_with_api(world, story)


def test_half_a_surrogate_pair_is_refused_and_not_a_crash(world: World) -> None:
    async def story(api: ApiClient) -> None:
        raw = rb'{"message_text": "\ud800", "delivery_date": 0, "sender_id": 1, "phone_numbers": "\udfff"}'
        response = await api.http.post(PATH, content=raw)
        assert response.status_code == 400
        assert sorted(response.json()["errors"]) == ["message_text", "phone_numbers"]

    run_with_api(world, story)
