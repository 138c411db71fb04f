"""SMS Gateway refuses invalid requests, in upstream's words where there are some, and stores nothing."""

import pytest

from dispatcher.settings import Settings
from tests.api.client import ApiClient
from tests.api.smsgate.client import (
    AMERICAN,
    FIXED_LINE,
    KENYAN,
    PATH,
    body,
    later,
    refused,
    run_with_api,
    with_settings,
)
from tests.world import World

_TIME = "{} must be a time in RFC 3339 format: YYYY-MM-DDThh:mm:ssZ"
_NO_DIGITS = "it must be digits, with a + before a country code"
_INVALID = "invalid phone number: +1 (it is invalid: check its digits and its country code)"
_NOT_MOBILE = f"not mobile phone number: {FIXED_LINE} (it is not a mobile phone number)"
_ONE = "must specify exactly one of: textMessage or message"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"phoneNumbers": ...}, "phoneNumbers must have 1 to 100 entries, not 0"),
        ({"phoneNumbers": None}, "phoneNumbers must have 1 to 100 entries, not 0"),
        ({"phoneNumbers": []}, "phoneNumbers must have 1 to 100 entries, not 0"),
        ({"phoneNumbers": [KENYAN] * 101}, "phoneNumbers must have 1 to 100 entries, not 101"),
        ({"phoneNumbers": KENYAN}, "phoneNumbers must be an array"),
        ({"phoneNumbers": [254712345678]}, "phoneNumbers must contain only strings"),
        ({"phoneNumbers": [""]}, "the entries of phoneNumbers must have 1 to 128 characters"),
        ({"phoneNumbers": ["1" * 129]}, "the entries of phoneNumbers must have 1 to 128 characters"),
        ({"phoneNumbers": ["abc", "+1"]}, f"invalid phone number: abc ({_NO_DIGITS}); {_INVALID}"),
        ({"phoneNumbers": ["\ud800"]}, f"invalid phone number: ? ({_NO_DIGITS})"),
        ({"phoneNumbers": [FIXED_LINE]}, _NOT_MOBILE),
        ({"phoneNumbers": [FIXED_LINE, "+1"]}, f"{_NOT_MOBILE}; {_INVALID}"),
        ({"phoneNumbers": [KENYAN, "0712345678"]}, "phone numbers must be unique"),
        ({"textMessage": ...}, "No message content provided"),
        ({"textMessage": None, "message": ""}, "No message content provided"),
        ({"message": "Hello"}, _ONE),
        ({"textMessage": "Hello"}, "textMessage must be an object"),
        ({"textMessage": {}}, "textMessage.text must not be empty"),
        ({"textMessage": {"text": ""}}, "textMessage.text must not be empty"),
        ({"textMessage": {"text": 5}}, "textMessage.text must be a string"),
        ({"textMessage": {"text": "x" * 65_536}}, "the text must have at most 65535 characters"),
        ({"textMessage": {"text": "x" * 1531}}, "textMessage.text is too long: 11 segments, at most 10"),
        ({"textMessage": ..., "message": ["Hello"]}, "message must be a string"),
        (
            {"textMessage": ..., "dataMessage": {"data": "SGVsbG8=", "port": 1}},
            "data messages are not supported",
        ),
        ({"textMessage": ..., "mmsMessage": {"text": "x"}}, "MMS messages are not supported"),
        ({"isEncrypted": True}, "encrypted messages are not supported"),
        ({"isEncrypted": "yes"}, "isEncrypted must be a boolean"),
        ({"withDeliveryReport": "true"}, "withDeliveryReport must be a boolean"),
        ({"withDeliveryReport": 1}, "withDeliveryReport must be a boolean"),
        ({"simNumber": 0}, "simNumber must be an integer from 1 to 3"),
        ({"simNumber": 4}, "simNumber must be an integer from 1 to 3"),
        ({"simNumber": "1"}, "simNumber must be an integer from 1 to 3"),
        ({"simNumber": True}, "simNumber must be an integer from 1 to 3"),
        ({"simNumber": 2}, "simNumber 2 is empty; the device has 1"),
        ({"priority": 128}, "priority must be an integer from -128 to 127"),
        ({"priority": -129}, "priority must be an integer from -128 to 127"),
        ({"priority": 1.0}, "priority must be an integer from -128 to 127"),
        ({"ttl": 4}, "ttl must be an integer of at least 5"),
        ({"ttl": "60"}, "ttl must be an integer of at least 5"),
        ({"scheduleAt": "tomorrow"}, _TIME.format("scheduleAt")),
        ({"scheduleAt": 1}, "scheduleAt must be a string"),
        ({"scheduleAt": "2020-01-01T00:00:00Z"}, "scheduleAt must be in the future"),
        ({"scheduleAt": "0001-01-01T00:00:00+14:00"}, "scheduleAt must be in the future"),
        ({"scheduleAt": "9999-12-31T23:59:59-14:00"}, "scheduleAt is too far ahead: at most 731 days"),
        ({"validUntil": "2020-01-01T00:00:00Z"}, "validUntil must be in the future"),
        ({"validUntil": "\ud800"}, _TIME.format("validUntil")),
        ({"id": "x" * 37}, "id must have at most 36 printable characters"),
        ({"id": "a\x00b"}, "id must have at most 36 printable characters"),
        ({"id": "\ud800"}, "id must have at most 36 printable characters"),
        ({"id": 5}, "id must be a string"),
        ({"deviceId": "PyDmBQZZXYmyxMwED8Fzy"}, "failed to select device: record not found"),
        ({"deviceId": 5}, "deviceId must be a string"),
    ],
)
def test_a_faulty_field_is_reported_and_nothing_is_stored(
    world: World, changed: dict[str, object], message: str
) -> None:
    async def story(api: ApiClient) -> None:
        assert await refused(api, **changed) == message

    run_with_api(world, story)


def test_a_text_that_cannot_be_sent_is_refused(world: World) -> None:
    async def story(api: ApiClient) -> None:
        for text in ("a\x00b", "a\ud800b"):
            assert (await refused(api, textMessage={"text": text})).startswith(
                "textMessage.text cannot be sent"
            )

    run_with_api(world, story)


def test_all_faults_of_types_are_reported_together(world: World) -> None:
    async def story(api: ApiClient) -> None:
        result = await refused(api, phoneNumbers=[], priority=200, ttl=1)
        assert result.split("; ") == [
            "phoneNumbers must have 1 to 100 entries, not 0",
            "ttl must be an integer of at least 5",
            "priority must be an integer from -128 to 127",
        ]

    run_with_api(world, story)


def test_ttl_and_valid_until_exclude_each_other(world: World) -> None:
    async def story(api: ApiClient) -> None:
        result = await refused(api, ttl=60, validUntil=later(api, hours=1))
        assert result == "ttl and validUntil exclude each other"

    run_with_api(world, story)


def test_schedule_at_must_be_strictly_in_the_future(world: World) -> None:
    async def story(api: ApiClient) -> None:
        assert await refused(api, scheduleAt=later(api)) == "scheduleAt must be in the future"

    run_with_api(world, story)


@pytest.mark.parametrize("end", ["ttl", "validUntil"])
def test_schedule_at_must_not_be_after_the_end(world: World, end: str) -> None:
    async def story(api: ApiClient) -> None:
        ends = {"ttl": 60, "validUntil": later(api, minutes=1)}
        result = await refused(api, scheduleAt=later(api, minutes=2), **{end: ends[end]})
        assert result == "scheduleAt must be less than or equal to validUntil"

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("skipPhoneValidation=maybe", "skipPhoneValidation must be true or false"),
        ("deviceActiveWithin=soon", "deviceActiveWithin must be an integer"),
    ],
)
def test_a_faulty_query_is_refused(world: World, query: str, message: str) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(f"{PATH}?{query}", json=body())
        assert (response.status_code, response.json()) == (400, {"message": message, "code": 400})
        assert await api.rows() == 0

    run_with_api(world, story)


def test_more_numbers_than_the_setting_allows_are_refused(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        result = await refused(api, phoneNumbers=[KENYAN, AMERICAN])
        assert result == "phoneNumbers has too many entries: 2, at most 1"

    run_with_api(with_settings(settings, max_recipients=1), story)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "The body is not valid JSON"),
        (b"{", "The body is not valid JSON"),
        (b"[]", "The body must be a JSON object"),
        (b'"x"', "The body must be a JSON object"),
        (b'{"phoneNumbers": NaN}', "The body is not valid JSON"),
        (b"\xff\xfe\x00", "The body is not valid JSON"),
    ],
)
def test_a_body_that_is_not_a_json_object_is_400(world: World, content: bytes, message: str) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(PATH, content=content)
        assert (response.status_code, response.json()) == (400, {"message": message, "code": 400})

    run_with_api(world, story)


def test_without_a_country_a_local_number_is_read_as_an_international_one(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await api.world.all("UPDATE accounts SET default_country = NULL")
        assert await refused(api, phoneNumbers=["0712345678"]) == (
            "invalid phone number: 0712345678 (it is invalid: check its digits and its country code)"
        )
        response = await api.http.post(PATH, json=body(phoneNumbers=["12025550100"]))
        assert response.json()["recipients"][0]["phoneNumber"] == AMERICAN

    run_with_api(world, story)
