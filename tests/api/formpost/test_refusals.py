"""v2 refuses invalid fields as Laravel does: 422, with all errors by field."""

import pytest

from dispatcher.settings import Settings
from tests.api.formpost.client import V2, FormpostClient, run_with_api
from tests.world import World

_CHECK = "it is invalid: check its digits and its country code"
_STRING = "The {} field must be a string."
_DATE = "The schedule at field must be a valid date, as YYYY-MM-DD HH:MM:SS or in ISO 8601."


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("numbers", ..., "The numbers field is required."),
        ("numbers", None, "The numbers field is required."),
        ("numbers", "", "The numbers field is required."),
        ("numbers", [], "The numbers field is required."),
        ("numbers", [""], "The numbers field is required."),
        ("numbers", 254701234567, "The numbers field must be a string or an array of strings."),
        ("numbers", ["0701234567", 5], "The numbers field must be a string or an array of strings."),
        ("numbers", {"a": 1}, "The numbers field must be a string or an array of strings."),
        ("numbers", "0701", f"The numbers field has an invalid phone number: 0701 ({_CHECK})"),
        ("numbers", "+123456789", f"The numbers field has an invalid phone number: +123456789 ({_CHECK})"),
        ("numbers", "2" * 99, f"The numbers field has an invalid phone number: {'2' * 40}… (it is too long)"),
        ("message_body", ..., "The message body field is required."),
        ("message_body", 5, _STRING.format("message body")),
        ("message_body", True, _STRING.format("message body")),
        ("message_body", "x" * 1531, "The message body field is too long: 11 segments, at most 10."),
        ("sender_id", "NOBODY", "The selected sender id is invalid."),
        ("sender_id", "a\x00b", "The selected sender id is invalid."),
        ("sender_id", 999, "The selected sender id is invalid."),
        ("sender_id", 10**30, "The selected sender id is invalid."),
        ("sender_id", "9" * 30, "The selected sender id is invalid."),
        ("sender_id", "٣", "The selected sender id is invalid."),
        ("sender_id", True, _STRING.format("sender id")),
        ("sender_id", 1.5, _STRING.format("sender id")),
        ("from", "NOBODY", "The selected from is invalid."),
        ("schedule_at", "tomorrow", _DATE),
        ("schedule_at", "2030-02-30 12:00:00", _DATE),
        ("schedule_at", "0001-01-01 00:00:00", _DATE),
        ("schedule_at", "9999-12-31T23:59:59-23:59", _DATE),
        ("schedule_at", 1924992000, _STRING.format("schedule at")),
        ("schedule_at", "2999-01-01 00:00:00", "The schedule at field is too far ahead: at most 731 days."),
        ("type", "urgent", "The type field must be one of critical, standard, bulk."),
        ("type", "BULK", "The type field must be one of critical, standard, bulk."),
        ("type", 1, _STRING.format("type")),
    ],
)
def test_a_faulty_field_is_422_and_nothing_is_sent(
    world: World, field: str, value: object, message: str
) -> None:
    async def story(api: FormpostClient) -> None:
        await world.all("UPDATE accounts SET timezone = 'Africa/Nairobi'")
        response = await api.keyed(**{field: value})
        assert response.status_code == 422
        assert response.headers["content-type"] == "application/json"
        assert response.json() == {"message": message, "errors": {field: [message]}}
        assert await api.kept() == 0

    run_with_api(world, story)


def test_all_faults_are_reported_together_by_the_clients_names(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        fields = {"to": "1,0701234567,2", "text": 5, "from": "NOBODY", "type": "urgent"}
        response = await api.http.post(V2, json=fields, headers=api.key)
        assert response.status_code == 422
        assert response.json() == {
            "message": f"The to field has an invalid phone number: 1 ({_CHECK}) (and 4 more errors)",
            "errors": {
                "to": [
                    f"The to field has an invalid phone number: 1 ({_CHECK})",
                    f"The to field has an invalid phone number: 2 ({_CHECK})",
                ],
                "text": ["The text field must be a string."],
                "from": ["The selected from is invalid."],
                "type": ["The type field must be one of critical, standard, bulk."],
            },
        }

    run_with_api(world, story)


def test_an_empty_request_names_both_required_fields(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        message = "The numbers field is required. (and 1 more error)"
        for response in (
            await api.http.get(V2, headers=api.key),
            await api.http.post(V2, headers=api.key),
            await api.http.post(V2, json={}, headers=api.key),
        ):
            assert (response.status_code, response.json()["message"]) == (422, message)
            assert list(response.json()["errors"]) == ["numbers", "message_body"]

    run_with_api(world, story)


def test_another_accounts_sender_is_invalid(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        await world.another_account("other")
        theirs = (await world.one("SELECT id FROM senders WHERE name = 'OTHER'")).id
        for sender in (theirs, "OTHER"):
            assert (await api.keyed(sender_id=sender)).status_code == 422

    run_with_api(world, story)


def test_more_numbers_than_the_setting_allows_are_refused(settings: Settings) -> None:
    async def story(api: FormpostClient) -> None:
        response = await api.keyed(numbers="0701234567," * 3)
        assert response.json()["message"] == "The numbers field has too many entries: 3, at most 2."

    run_with_api(World(settings.model_copy(update={"max_recipients": 2})), story)


def test_a_byte_that_is_not_utf8_is_refused_and_not_replaced(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        response = await api.http.get(f"{V2}?to=0701234567&text=caf%E9", headers=api.key)
        assert response.status_code == 422
        assert list(response.json()["errors"]) == ["text"]

    run_with_api(world, story)
