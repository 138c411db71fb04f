"""SMS Scheduler refuses bodies: what is no JSON object, whatever it calls itself."""

import pytest

from tests.api.client import ApiClient, ask
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
    async def story(desk: ApiClient) -> None:
        response = await desk.http.post(PATH, content=raw)
        assert response.status_code == 400
        assert response.json() == {"errors": {"body": ["The body is not valid JSON"]}}
        assert await desk.rows() == 0

    ask(world, story)


@pytest.mark.parametrize("raw", [b"[]", b'"text"', b"null", b"5", b"true"])
def test_json_that_is_no_object_is_400(world: World, raw: bytes) -> None:
    async def story(desk: ApiClient) -> None:
        response = await desk.http.post(PATH, content=raw)
        assert response.status_code == 400
        assert response.json() == {"errors": {"body": ["The body must be a JSON object"]}}

    ask(world, story)


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
    async def story(desk: ApiClient) -> None:
        response = await desk.http.post(PATH, content=b"{}", headers=headers)
        assert response.status_code == 415
        assert list(response.json()["errors"]) == ["body"]

    ask(world, story)


def test_half_a_surrogate_pair_is_refused_and_not_a_crash(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        raw = rb'{"message_text": "\ud800", "delivery_date": 0, "sender_id": 1, "phone_numbers": "\udfff"}'
        response = await desk.http.post(PATH, content=raw)
        assert response.status_code == 400
        assert sorted(response.json()["errors"]) == ["message_text", "phone_numbers"]

    ask(world, story)
