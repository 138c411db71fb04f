"""SMS Scheduler takes a message, by its document (003) and docs/dialects/scheduler.md."""

import httpx
import pytest

from dispatcher.domain.delivery.provider import ProviderConfig
from dispatcher.settings import Settings
from tests.api.client import ApiClient, ask
from tests.api.scheduler.sample import FIXED_LINE, FRENCH, INVALID, PATH, body, create, create_one, refused
from tests.world import World


def test_a_message_to_many_numbers_is_answered_with_its_id_and_the_ids_by_number(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        response = await desk.http.post(PATH, json=body(desk, phone_numbers=[FRENCH, "+490303030303"]))
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json; charset=utf-8"
        answer = response.json()
        assert list(answer) == ["message_id", "sms_ids"]
        assert type(answer["message_id"]) is int
        assert {number: len(ids) for number, ids in answer["sms_ids"].items()} == {
            FRENCH: 1,
            "+490303030303": 1,
        }
        assert await desk.status(answer["sms_ids"][FRENCH][0]) == 11

    ask(world, story)


def test_the_same_number_twice_gets_two_ids_in_one_list(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        _, ids = await create(desk, phone_numbers=[FRENCH, FRENCH])
        assert len(set(ids[FRENCH])) == 2

    ask(world, story)


def test_a_single_number_may_be_a_string(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        _, ids = await create(desk, phone_numbers=FRENCH)
        assert list(ids) == [FRENCH]

    ask(world, story)


def test_a_setting_gives_scalar_ids(settings: Settings) -> None:
    async def story(desk: ApiClient) -> None:
        _, ids = await create(desk)
        assert isinstance(ids[FRENCH], int)

    ask(World(settings.model_copy(update={"scheduler_scalar_ids": True})), story)


def test_a_number_is_echoed_as_written_and_sent_in_e164(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        _, ids = await create(desk, phone_numbers=[FIXED_LINE])
        [sms_id] = ids[FIXED_LINE]
        report = (await desk.http.get(f"{PATH}/{sms_id}")).json()
        assert report == {"phone_number": FIXED_LINE, "status": 11}
        assert (await desk.world.row(sms_id)).number == "+33101010101"

    ask(world, story)


def test_message_stop_is_appended_and_counted(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        sms_id = await create_one(desk, message_text="x" * 150, message_stop=True)
        row = await desk.world.row(sms_id)
        assert row.text == "x" * 150 + "\nSTOP: reply STOP"
        assert (row.segments, row.charged) == (2, 2)

    ask(world, story)


def test_without_message_stop_nothing_is_appended(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        sms_id = await create_one(desk, message_stop=...)
        assert (await desk.world.row(sms_id)).text == "Hello world"

    ask(world, story)


def test_unknown_fields_are_ignored(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        await create(desk, colour="blue", id=7)

    ask(world, story)


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-www-form-urlencoded", "text/plain", None]
)
def test_json_is_taken_whatever_its_content_type_says(world: World, content_type: str | None) -> None:
    async def story(desk: ApiClient) -> None:
        raw = httpx.Request("POST", "http://api", json=body(desk)).content
        headers = {"Content-Type": content_type} if content_type else {}
        assert (await desk.http.post(PATH, content=raw, headers=headers)).status_code == 200

    ask(world, story)


def test_a_key_that_comes_twice_counts_with_its_last_value(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        raw = httpx.Request("POST", "http://api", json=body(desk)).content
        doubled = raw.replace(b"{", b'{"message_text": "first", ', 1)
        assert (await desk.http.post(PATH, content=doubled)).status_code == 200
        assert (await desk.world.one("SELECT text FROM messages")).text == "Hello world"

    ask(world, story)


def test_without_credit_the_rows_are_kept_as_25_and_uncharged(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        _, ids = await create(desk, phone_numbers=[FRENCH, FIXED_LINE])
        for [sms_id] in ids.values():
            assert (await desk.http.get(f"{PATH}/{sms_id}")).json()["status"] == 25
        assert await desk.world.balance() == 1

    ask(world, story, credits=1)


def test_a_country_without_a_route_is_refused_as_28(world: World) -> None:
    world.configs["sim"] = ProviderConfig(name="sim", plugin="test", options={}, countries=frozenset({"DE"}))

    async def story(desk: ApiClient) -> None:
        assert await desk.status(await create_one(desk)) == 28

    ask(world, story)


def test_simulated_numbers_are_invalid_unless_the_setting_takes_them(settings: Settings) -> None:
    simulated = "+33000990013"

    async def strict(desk: ApiClient) -> None:
        errors = await refused(desk, phone_numbers=simulated)
        assert errors == {"phone_numbers": [INVALID.format(simulated)]}

    ask(World(settings), strict)


def test_simulated_numbers_are_taken_where_the_setting_says_so(settings: Settings) -> None:
    async def story(desk: ApiClient) -> None:
        await create(desk, phone_numbers="+33000990013")

    ask(World(settings.model_copy(update={"simulated_numbers": True})), story)
