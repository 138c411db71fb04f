"""v1 takes a form post, by its document (002) and docs/dialects/formpost.md."""

from uuid import UUID

import pytest

from dispatcher.domain.delivery.provider import ProviderConfig
from dispatcher.settings import Settings
from tests.api.formpost.client import KENYANS, SAMPLE, V1, FormpostClient, run_with_api
from tests.world import World

_UNAUTHORIZED = {"error": "Unauthorized."}


@pytest.mark.parametrize("path", [V1, "/api/v1/sms/send"])
def test_the_sample_is_sent_to_both_local_numbers_at_both_paths(world: World, path: str) -> None:
    async def story(api: FormpostClient) -> None:
        response = await api.http.post(path, data=SAMPLE | api.user)
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
        rows = await api.sent()
        assert [row.number for row in rows] == KENYANS
        assert {row.text for row in rows} == {SAMPLE["message_body"]}
        assert response.json() == {
            "success": True,
            "message": "SMS sent successfully",
            "batch_id": str((await api.batch()).public_id),
            "message_ids": [str(row.public_id) for row in rows],
            "recipients": 2,
        }
        assert list(response.json()) == ["success", "message", "batch_id", "message_ids", "recipients"]
        assert UUID(response.json()["batch_id"])

    run_with_api(world, story)


def test_all_may_be_url_parameters_of_an_empty_post(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        for headers in ({}, {"Content-Type": "application/json"}):
            response = await api.http.post(V1, params=SAMPLE | api.user, headers=headers)
            assert response.status_code == 200

    run_with_api(world, story)


def test_credentials_may_be_in_the_url_and_the_message_in_a_form(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        response = await api.http.post(V1, params=api.user, data=SAMPLE)
        assert response.status_code == 200

    run_with_api(world, story)


def test_the_body_wins_over_the_url(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        url = {"message_body": "in the URL", "password": "wrong", "username": "nobody"}
        response = await api.http.post(V1, params=url, data=SAMPLE | api.user)
        assert response.status_code == 200
        assert (await api.sent())[0].text == SAMPLE["message_body"]

    run_with_api(world, story)


def test_a_form_may_be_json(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        response = await api.http.post(V1, json=SAMPLE | api.user)
        assert response.status_code == 200

    run_with_api(world, story)


@pytest.mark.parametrize(
    "changed",
    [
        {"username": ...},
        {"password": ...},
        {"username": ..., "password": ...},
        {"username": ""},
        {"username": "nobody"},
        {"username": "a\x00b"},
        {"username": "x" * 5000},
        {"password": "wrong"},
        {"password": ""},
        {"password": ["a", "b"]},
        {"username": ..., "numbers": ..., "message_body": ...},
    ],
)
def test_without_a_good_user_and_password_it_is_401(world: World, changed: dict[str, object]) -> None:
    async def story(api: FormpostClient) -> None:
        response = await api.form(**changed)
        assert (response.status_code, response.json()) == (401, _UNAUTHORIZED)
        assert await api.kept() == 0

    run_with_api(world, story)


@pytest.mark.parametrize("user", ["null", "5", "true", '["a"]', '{"a": 1}', r'"\ud800"'])
def test_a_user_name_in_json_that_can_be_none_is_401(world: World, user: str) -> None:
    async def story(api: FormpostClient) -> None:
        raw = f'{{"username": {user}, "password": {user}, "numbers": "0701234567"}}'
        response = await api.http.post(V1, content=raw)
        assert (response.status_code, response.json()) == (401, _UNAUTHORIZED)

    run_with_api(world, story)


def test_the_caller_is_authenticated_before_the_body_is_validated(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        for params, status in [({}, 401), (api.user, 400)]:
            response = await api.http.post(
                V1, params=params, content=b"[1]", headers={"Content-Type": "text/plain"}
            )
            assert response.status_code == status

    run_with_api(world, story)


def test_a_key_of_v2_does_not_open_v1(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        response = await api.http.post(V1, data=SAMPLE, headers=api.key)
        assert response.status_code == 401

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"numbers": ...}, "The numbers field is required."),
        ({"numbers": ""}, "The numbers field is required."),
        ({"numbers": " , ,"}, "The numbers field is required."),
        ({"message_body": ...}, "The message body field is required."),
        ({"message_body": " "}, "The message body field is required."),
        ({"numbers": ..., "message_body": ...}, "The numbers field is required."),
        ({"numbers": "0701"}, "Invalid phone number format."),
        ({"numbers": "0701234567, hello"}, "Invalid phone number format."),
        ({"numbers": "0701234567\x00"}, "Invalid phone number format."),
        ({"numbers": "+" + "2" * 100}, "Invalid phone number format."),
        ({"message_body": ["a", "b"]}, "The message body field must be a string."),
        (
            {"message_body": "x" * 1531},
            "The message body field is too long: 11 segments, at most 10.",
        ),
        (
            {"message_body": "a\x00"},
            "The message body field cannot be sent: character 2 of the text, U+0000, cannot be sent.",
        ),
    ],
)
def test_a_faulty_field_is_400_and_nothing_is_sent(
    world: World, changed: dict[str, object], error: str
) -> None:
    async def story(api: FormpostClient) -> None:
        response = await api.form(**changed)
        assert (response.status_code, response.json()) == (400, {"error": error})
        assert response.headers["content-type"] == "application/json"
        assert await api.kept() == 0

    run_with_api(world, story)


@pytest.mark.parametrize(
    "numbers",
    [
        "0701234567",
        "0701234567,",
        " 0701 234 567 ",
        "+254701234567",
        "+254 701 234567",
        "254701234567",
        "0701-234-567",
    ],
)
def test_a_number_may_be_local_or_international_with_spaces(world: World, numbers: str) -> None:
    async def story(api: FormpostClient) -> None:
        assert (await api.form(numbers=numbers)).status_code == 200
        assert [row.number for row in await api.sent()] == ["+254701234567"]

    run_with_api(world, story)


def test_numbers_of_other_countries_are_accepted_with_their_country_code(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        assert (await api.form(numbers="+256701234567")).status_code == 200
        assert [row.country for row in await api.sent()] == ["UG"]

    run_with_api(world, story)


def test_an_account_without_a_country_has_no_local_numbers(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        await world.all("UPDATE accounts SET default_country = NULL")
        response = await api.form()
        assert (response.status_code, response.json()) == (400, {"error": "Invalid phone number format."})
        assert (await api.form(numbers=",".join(KENYANS))).status_code == 200

    run_with_api(world, story)


def test_the_same_number_twice_is_two_messages(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        response = await api.form(numbers="0701234567,+254701234567")
        assert response.json()["recipients"] == 2
        assert len(set(response.json()["message_ids"])) == 2

    run_with_api(world, story)


def test_a_number_that_is_repeated_in_a_form_is_a_list_and_none_is_lost(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        response = await api.form(numbers=["0701234567", "0712345678,0722000000"])
        assert response.json()["recipients"] == 3

    run_with_api(world, story)


def test_fields_of_v2_are_ignored_by_v1(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        response = await api.form(type="urgent", schedule_at="soon", sender_id="99", colour="blue")
        assert response.status_code == 200

    run_with_api(world, story)


def test_without_credit_it_is_402_and_nothing_is_stored(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        response = await api.form()
        assert (response.status_code, response.json()) == (402, {"error": "Insufficient credits."})
        assert await api.kept() == 0

    run_with_api(world, story, credits=1)


def test_a_paused_account_is_403(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        await world.all("UPDATE accounts SET paused_at = now()")
        response = await api.form()
        assert (response.status_code, response.json()) == (403, {"error": "Account 'shop' is paused."})

    run_with_api(world, story)


def test_an_account_without_a_sender_is_answered_and_the_messages_end_with_23(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        await world.all("UPDATE senders SET disabled_at = now()")
        assert (await api.form()).status_code == 200
        assert {row.status for row in await api.sent()} == {23}

    run_with_api(world, story)


def test_a_country_without_a_route_is_refused_as_28(world: World) -> None:
    world.configs["sim"] = ProviderConfig(name="sim", plugin="test", options={}, countries=frozenset({"DE"}))

    async def story(api: FormpostClient) -> None:
        assert (await api.form()).status_code == 200
        assert {row.status for row in await api.sent()} == {28}

    run_with_api(world, story)


@pytest.mark.parametrize("taken", [False, True])
def test_simulated_numbers_are_accepted_if_the_setting_allows_them(settings: Settings, taken: bool) -> None:
    async def story(api: FormpostClient) -> None:
        assert (await api.form(numbers="+25400990013")).status_code == (200 if taken else 400)

    run_with_api(World(settings.model_copy(update={"simulated_numbers": taken})), story)
