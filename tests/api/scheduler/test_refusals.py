"""SMS Scheduler refuses invalid fields in the document's words, and stores nothing."""

import pytest

from dispatcher.settings import Settings
from tests.api.client import ApiClient, run_with_api
from tests.api.scheduler.sample import FIXED_LINE, FRENCH, INVALID, PATH, refused
from tests.world import World

_TYPES = 'The field "{}" must be a value of type "{}"'
_REQUIRED = 'The field "{}" is required'
_LIST = 'The field "phone_numbers" must be a list of type "string"'
_DATE = 'The field "delivery_date" must be a date formatted as "YYYY-MM-DD HH:MM:SS"'


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("message_text", ..., _REQUIRED),
        ("message_text", None, _REQUIRED),
        ("message_text", 5, _TYPES.format("message_text", "string")),
        ("message_text", ["Hello"], _TYPES.format("message_text", "string")),
        ("message_text", "", 'The field "message_text" must not be empty'),
        ("message_text", " \n", 'The field "message_text" must not be empty'),
        ("message_text", "x" * 1531, 'The field "message_text" is too long: 11 segments, at most 10'),
        (
            "message_text",
            "a\x00b",
            'The field "message_text" cannot be sent: character 2 of the text, U+0000, cannot be sent',
        ),
        ("message_stop", "true", _TYPES.format("message_stop", "boolean")),
        ("message_stop", 1, _TYPES.format("message_stop", "boolean")),
        ("message_stop", None, _TYPES.format("message_stop", "boolean")),
        ("delivery_date", ..., _REQUIRED),
        ("delivery_date", None, _REQUIRED),
        ("delivery_date", True, _TYPES.format("delivery_date", "string")),
        ("delivery_date", ["2030-01-01 00:00:00"], _TYPES.format("delivery_date", "string")),
        ("delivery_date", "", _DATE),
        ("delivery_date", "tomorrow", _DATE),
        ("delivery_date", "2020-12-25", _DATE),
        ("delivery_date", "2020-12-25T12:45:59", _DATE),
        ("delivery_date", "2020-02-30 12:45:59", _DATE),
        ("delivery_date", "2020-12-25 24:00:00", _DATE),
        ("delivery_date", "٢٠٢٠-12-25 12:45:59", _DATE),
        ("sender_id", ..., _REQUIRED),
        ("sender_id", None, _REQUIRED),
        ("sender_id", "1", _TYPES.format("sender_id", "integer")),
        ("sender_id", 1.0, _TYPES.format("sender_id", "integer")),
        ("sender_id", True, _TYPES.format("sender_id", "integer")),
        ("sender_id", 999, 'The field "sender_id" is invalid'),
        ("sender_id", 0, 'The field "sender_id" is invalid'),
        ("sender_id", -1, 'The field "sender_id" is invalid'),
        ("sender_id", 2**63, 'The field "sender_id" is invalid'),
        ("sender_id", 10**200, 'The field "sender_id" is invalid'),
        ("phone_numbers", ..., _REQUIRED),
        ("phone_numbers", None, _REQUIRED),
        ("phone_numbers", 33612345678, _LIST),
        ("phone_numbers", {FRENCH: 1}, _LIST),
        ("phone_numbers", [33612345678], _LIST),
        ("phone_numbers", [FRENCH, None], _LIST),
        ("phone_numbers", [], 'The field "phone_numbers" must not be empty'),
        ("phone_numbers", "", INVALID.format("")),
        ("phone_numbers", "+123456789", INVALID.format("+123456789")),
        ("phone_numbers", ["0404-040-404"], INVALID.format("0404-040-404")),
        ("phone_numbers", "33612345678", INVALID.format("33612345678")),
        ("phone_numbers", "+33 6 12 34 56 78", INVALID.format("+33 6 12 34 56 78")),
        ("phone_numbers", "+33612345678\x00", INVALID.format("+33612345678\x00")),
        ("phone_numbers", "+" + "3" * 100, INVALID.format("+" + "3" * 39 + "…")),
    ],
)
def test_a_faulty_field_is_named_and_nothing_is_stored(
    world: World, field: str, value: object, message: str
) -> None:
    async def story(api: ApiClient) -> None:
        assert await refused(api, **{field: value}) == {field: [message.format(field)]}

    run_with_api(world, story)


def test_all_faults_are_reported_together_in_the_documents_words(world: World) -> None:
    async def story(api: ApiClient) -> None:
        errors = await refused(api, message_stop="no", phone_numbers=[FRENCH, 5, "+123456789"])
        assert errors == {
            "message_stop": ['The field "message_stop" must be a value of type "boolean"'],
            "phone_numbers": [
                'The field "phone_numbers" must be a list of type "string"',
                "The following phone number is invalid: +123456789",
            ],
        }

    run_with_api(world, story)


def test_an_unknown_sender_and_invalid_numbers_are_reported_with_other_faults(world: World) -> None:
    async def story(api: ApiClient) -> None:
        errors = await refused(
            api, message_text=..., delivery_date="soon", sender_id=999, phone_numbers=["1", FRENCH, "2"]
        )
        assert errors == {
            "message_text": ['The field "message_text" is required'],
            "delivery_date": [_DATE],
            "sender_id": ['The field "sender_id" is invalid'],
            "phone_numbers": [INVALID.format("1"), INVALID.format("2")],
        }
        assert list(errors) == ["message_text", "delivery_date", "sender_id", "phone_numbers"]

    run_with_api(world, story)


def test_an_empty_object_names_every_required_field(world: World) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(PATH, json={})
        assert response.status_code == 400
        required = ["message_text", "delivery_date", "sender_id", "phone_numbers"]
        assert response.json()["errors"] == {name: [_REQUIRED.format(name)] for name in required}

    run_with_api(world, story)


def test_one_invalid_number_refuses_the_whole_message(world: World) -> None:
    async def story(api: ApiClient) -> None:
        errors = await refused(api, phone_numbers=[FIXED_LINE, "+490303030303", "0404-040-404"])
        assert errors == {"phone_numbers": [INVALID.format("0404-040-404")]}

    run_with_api(world, story)


def test_more_numbers_than_the_setting_allows_are_refused(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        errors = await refused(api, phone_numbers=[FRENCH] * 3)
        assert errors == {"phone_numbers": ['The field "phone_numbers" has too many values: 3, at most 2']}

    run_with_api(World(settings.model_copy(update={"max_recipients": 2})), story)


def test_another_accounts_sender_is_invalid(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await api.world.another_account("other")
        theirs = (await api.world.one("SELECT id FROM senders WHERE name = 'OTHER'")).id
        assert await refused(api, sender_id=theirs) == {"sender_id": ['The field "sender_id" is invalid']}

    run_with_api(world, story)
