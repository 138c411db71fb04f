"""Emess refuses invalid bodies and fields with a clear message, and stores nothing."""

from typing import Any

import pytest

from dispatcher.settings import Settings
from tests.api.emess.sample import (
    BULK,
    SECOND,
    SEND,
    TOKEN,
    EmessClient,
    error_message,
    many,
    one,
    run_with_api,
)
from tests.world import NUMBER, World

_STRINGS = "numbers must be an array of strings"
_BAD_TYPE = "Invalid message type"
_TOO_LONG = "message is too long: 11 segments, at most 10"
_NUL = "message cannot be sent: character 2 of the text, U+0000, cannot be sent"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"number": ...}, "Missing parameters: number"),
        ({"message": ...}, "Missing parameters: message"),
        ({"type": ...}, "Missing parameters: type"),
        ({"number": ..., "message": ..., "type": ...}, "Missing parameters: number, message, type"),
        ({"number": None, "message": None, "type": None}, "Missing parameters: number, message, type"),
        ({"number": "", "message": "", "type": ""}, "Missing parameters: number, message, type"),
        ({"number": 254712345678}, "number must be a string"),
        ({"number": [NUMBER]}, "number must be a string"),
        ({"message": 5}, "message must be a string"),
        ({"message": ["Hello"]}, "message must be a string"),
        ({"message": " \n"}, "message is empty"),
        ({"message": "x" * 1531}, _TOO_LONG),
        ({"message": "a\x00b"}, _NUL),
        ({"type": "urgent"}, _BAD_TYPE),
        ({"type": "Critical"}, _BAD_TYPE),
        ({"type": " bulk"}, _BAD_TYPE),
        ({"type": 1}, _BAD_TYPE),
        ({"type": ["bulk"]}, _BAD_TYPE),
        ({"type": {"bulk": 1}}, _BAD_TYPE),
        ({"keepDiacritics": "true"}, "keepDiacritics must be a boolean"),
        ({"keepDiacritics": 1}, "keepDiacritics must be a boolean"),
        ({"keepDiacritics": None}, "keepDiacritics must be a boolean"),
        ({"number": ..., "type": "x", "keepDiacritics": 0}, f"Missing parameters: number; {_BAD_TYPE}; keep"),
        ({"number": "abc"}, "Invalid phone number: abc"),
        ({"number": "12"}, "Invalid phone number: 12"),
        ({"number": "+123456789"}, "Invalid phone number: +123456789"),
        ({"number": "+" + "3" * 100}, "Invalid phone number: +" + "3" * 39 + "…"),
    ],
)
def test_a_faulty_field_of_a_send_is_named_and_nothing_is_stored(
    world: World, changed: dict[str, Any], message: str
) -> None:
    async def story(api: EmessClient) -> None:
        assert (await api.refused(SEND, one(**changed))).startswith(message)

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"numbers": ...}, "Missing parameters: numbers"),
        ({"numbers": None, "message": ...}, "Missing parameters: numbers, message"),
        ({"numbers": []}, "Missing parameters: numbers"),
        ({"numbers": NUMBER}, _STRINGS),
        ({"numbers": ""}, _STRINGS),
        ({"numbers": {NUMBER: 1}}, _STRINGS),
        ({"numbers": 5}, _STRINGS),
        ({"numbers": [NUMBER, 254712345678]}, _STRINGS),
        ({"numbers": [NUMBER, None]}, _STRINGS),
        ({"numbers": [[NUMBER]]}, _STRINGS),
        ({"message": ""}, "Missing parameters: message"),
        ({"message": "\t"}, "message is empty"),
        ({"message": "x" * 1531}, _TOO_LONG),
        ({"message": "a\x00b"}, _NUL),
        ({"message": "\t", "numbers": ["abc"]}, "message is empty"),
        ({"type": "BULK"}, _BAD_TYPE),
        ({"type": ""}, _BAD_TYPE),
        ({"type": None}, _BAD_TYPE),
        ({"keepDiacritics": "no"}, "keepDiacritics must be a boolean"),
    ],
)
def test_a_faulty_field_of_a_bulk_is_named_and_nothing_is_stored(
    world: World, changed: dict[str, Any], message: str
) -> None:
    async def story(api: EmessClient) -> None:
        assert await api.refused(BULK, many(**changed)) == message

    run_with_api(world, story)


def test_more_numbers_than_the_setting_allows_are_refused(settings: Settings) -> None:
    async def story(api: EmessClient) -> None:
        message = await api.refused(BULK, many(numbers=[NUMBER, SECOND, "abc"]))
        assert message == "numbers has too many entries: 3, at most 2"

    run_with_api(World(settings.model_copy(update={"max_recipients": 2})), story)


@pytest.mark.parametrize("path", [SEND, BULK])
@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "The body is not valid JSON"),
        (b"{", "The body is not valid JSON"),
        (b"number=1&message=2", "The body is not valid JSON"),
        (b"\xff\xfe\x00", "The body is not valid JSON"),
        (b'{"message": NaN}', "The body is not valid JSON"),
        (b"[" * 100_000, "The body is not valid JSON"),
        (b"[]", "The body must be a JSON object"),
        (b'"text"', "The body must be a JSON object"),
        (b"null", "The body must be a JSON object"),
    ],
)
def test_a_body_that_is_not_a_json_object_is_400(world: World, path: str, raw: bytes, message: str) -> None:
    async def story(api: EmessClient) -> None:
        response = await api.http.post(path, content=raw)
        assert (response.status_code, error_message(response)) == (400, message)

    run_with_api(world, story)


@pytest.mark.parametrize("path", [TOKEN, SEND, BULK])
@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/xml"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_multipart_xml_and_compressed_bodies_are_415(
    world: World, path: str, headers: dict[str, str]
) -> None:
    async def story(api: EmessClient) -> None:
        response = await api.http.post(path, content=b"{}", headers=headers)
        assert response.status_code == 415
        assert error_message(response).startswith("The body must")

    run_with_api(world, story)


def test_half_a_surrogate_pair_is_refused_or_counted_and_not_a_crash(world: World) -> None:
    async def story(api: EmessClient) -> None:
        raw = rb'{"number": "\udfff", "message": "\ud800", "type": "bulk"}'
        response = await api.http.post(SEND, content=raw)
        assert response.status_code == 400
        message = error_message(response)
        assert message.startswith("Invalid phone number: ? (it must be digits")
        assert "; message cannot be sent" in message
        bulk = await api.http.post(BULK, content=rb'{"numbers": ["\udfff"], "message": "Hello"}')
        assert (bulk.status_code, bulk.json()["failed"]) == (200, 1)

    run_with_api(world, story)
