"""SMS Scheduler takes a message, by its document (003) and docs/dialects/scheduler.md."""

import httpx
import pytest

from dispatcher.domain.delivery.provider import ProviderConfig
from dispatcher.settings import Settings
from tests.api.client import ApiClient, run_with_api
from tests.api.scheduler.sample import FIXED_LINE, FRENCH, INVALID, PATH, body, create, create_one, refused
from tests.world import World


def test_a_message_to_many_numbers_is_answered_with_its_id_and_the_ids_by_number(world: World) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(PATH, json=body(api, phone_numbers=[FRENCH, "+490303030303"]))
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json; charset=utf-8"
        answer = response.json()
        assert list(answer) == ["message_id", "sms_ids"]
        assert type(answer["message_id"]) is int
        assert {number: len(ids) for number, ids in answer["sms_ids"].items()} == {
            FRENCH: 1,
            "+490303030303": 1,
        }
        assert await api.status(answer["sms_ids"][FRENCH][0]) == 11

    run_with_api(world, story)


def test_the_same_number_twice_gets_two_ids_in_one_list(world: World) -> None:
    async def story(api: ApiClient) -> None:
        _, ids = await create(api, phone_numbers=[FRENCH, FRENCH])
        assert len(set(ids[FRENCH])) == 2

    run_with_api(world, story)


def test_a_single_number_may_be_a_string(world: World) -> None:
    async def story(api: ApiClient) -> None:
        _, ids = await create(api, phone_numbers=FRENCH)
        assert list(ids) == [FRENCH]

    run_with_api(world, story)


def test_a_setting_gives_scalar_ids(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        _, ids = await create(api)
        assert isinstance(ids[FRENCH], int)

    run_with_api(World(settings.model_copy(update={"scheduler_scalar_ids": True})), story)


def test_a_number_is_echoed_as_written_and_sent_in_e164(world: World) -> None:
    async def story(api: ApiClient) -> None:
        _, ids = await create(api, phone_numbers=[FIXED_LINE])
        [sms_id] = ids[FIXED_LINE]
        report = (await api.http.get(f"{PATH}/{sms_id}")).json()
        assert report == {"phone_number": FIXED_LINE, "status": 11}
        assert (await api.world.row(sms_id)).number == "+33101010101"

    run_with_api(world, story)


def test_message_stop_is_appended_and_counted(world: World) -> None:
    async def story(api: ApiClient) -> None:
        sms_id = await create_one(api, message_text="x" * 150, message_stop=True)
        row = await api.world.row(sms_id)
        assert row.text == "x" * 150 + "\nSTOP: reply STOP"
        assert (row.segments, row.charged) == (2, 2)

    run_with_api(world, story)


def test_without_message_stop_nothing_is_appended(world: World) -> None:
    async def story(api: ApiClient) -> None:
        sms_id = await create_one(api, message_stop=...)
        assert (await api.world.row(sms_id)).text == "Hello world"

    run_with_api(world, story)


def test_unknown_fields_are_ignored(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await create(api, colour="blue", id=7)

    run_with_api(world, story)


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-www-form-urlencoded", "text/plain", None]
)
def test_json_is_accepted_whatever_its_content_type_says(world: World, content_type: str | None) -> None:
    async def story(api: ApiClient) -> None:
        raw = httpx.Request("POST", "http://api", json=body(api)).content
        headers = {"Content-Type": content_type} if content_type else {}
        assert (await api.http.post(PATH, content=raw, headers=headers)).status_code == 200

    run_with_api(world, story)


def test_a_key_that_comes_twice_counts_with_its_last_value(world: World) -> None:
    async def story(api: ApiClient) -> None:
        raw = httpx.Request("POST", "http://api", json=body(api)).content
        doubled = raw.replace(b"{", b'{"message_text": "first", ', 1)
        assert (await api.http.post(PATH, content=doubled)).status_code == 200
        assert (await api.world.one("SELECT text FROM messages")).text == "Hello world"

    run_with_api(world, story)


def test_without_credit_the_messages_are_stored_as_25_and_uncharged(world: World) -> None:
    async def story(api: ApiClient) -> None:
        _, ids = await create(api, phone_numbers=[FRENCH, FIXED_LINE])
        for [sms_id] in ids.values():
            assert (await api.http.get(f"{PATH}/{sms_id}")).json()["status"] == 25
        assert await api.world.balance() == 1

    run_with_api(world, story, credits=1)


def test_a_country_without_a_route_is_refused_as_28(world: World) -> None:
    world.configs["sim"] = ProviderConfig(name="sim", plugin="test", options={}, countries=frozenset({"DE"}))

    async def story(api: ApiClient) -> None:
        assert await api.status(await create_one(api)) == 28

    run_with_api(world, story)


def test_simulated_numbers_are_invalid_unless_the_setting_takes_them(settings: Settings) -> None:
    simulated = "+33000990013"

    async def strict(api: ApiClient) -> None:
        errors = await refused(api, phone_numbers=simulated)
        assert errors == {"phone_numbers": [INVALID.format(simulated)]}

    run_with_api(World(settings), strict)


def test_simulated_numbers_are_accepted_if_the_setting_allows_them(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        await create(api, phone_numbers="+33000990013")

    run_with_api(World(settings.model_copy(update={"simulated_numbers": True})), story)
