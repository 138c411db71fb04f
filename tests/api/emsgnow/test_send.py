"""eMsgNow takes an SMS, by its document (001) and docs/dialects/emsgnow.md."""

import re
from datetime import UTC, datetime, timedelta, timezone

import httpx
import pytest

from dispatcher.domain.delivery.provider import ProviderConfig
from dispatcher.settings import Settings
from tests.api.client import ApiClient
from tests.api.emsgnow.sample import (
    JSON,
    PATH,
    TEXT,
    ask,
    body,
    caller_of,
    details,
    key_of,
    later,
    send,
    written,
)
from tests.world import World

SIX_HOURS = timedelta(hours=6)


def test_an_sms_is_answered_with_its_tracking_id(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        response = await desk.http.post(PATH, json=body())
        assert response.status_code == 200
        assert response.headers["content-type"] == JSON
        answer = response.json()
        assert list(answer) == ["message", "trackingId"]
        assert answer["message"] == "SMS received successfully"
        row = await desk.world.one("SELECT * FROM messages")
        assert answer["trackingId"] == row.public_id.hex
        assert re.fullmatch("[0-9a-f]{32}", answer["trackingId"])
        assert (row.text, row.status, row.tier, row.charged) == (TEXT, 11, "standard", 1)

    ask(world, story)


@pytest.mark.parametrize(
    ("to", "number"),
    [
        ("+1234567890", "+1234567890"),
        ("1234567890", "+1234567890"),
        ("254712345678", "+254712345678"),
        ("+330101010101", "+33101010101"),
        ("1234567", "+1234567"),
        ("+123456789012345", "+123456789012345"),
    ],
)
def test_a_number_with_or_without_a_plus_is_echoed_as_written_and_sent_in_e164(
    world: World, to: str, number: str
) -> None:
    async def story(desk: ApiClient) -> None:
        assert (await details(desk, await send(desk, to=to)))["to"] == to
        assert (await desk.world.one("SELECT number FROM messages")).number == number

    ask(world, story)


def test_without_times_it_may_be_sent_from_now_for_six_hours(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        now = desk.world.time.now()
        shown = await details(desk, await send(desk))
        assert shown["notBefore"] == written(now)
        assert shown["notAfter"] == written(now + SIX_HOURS)

    ask(world, story)


def test_a_setting_says_how_long_it_may_be_sent(settings: Settings) -> None:
    async def story(desk: ApiClient) -> None:
        shown = await details(desk, await send(desk))
        assert shown["notAfter"] == later(desk, seconds=90)

    ask(World(settings.model_copy(update={"emsgnow_validity": 90})), story)


def test_the_accounts_own_validity_comes_before_the_six_hours(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        await desk.world.all("UPDATE accounts SET standard_validity = interval '1 hour'")
        assert (await details(desk, await send(desk)))["notAfter"] == later(desk, hours=1)

    ask(world, story)


def test_the_six_hours_count_from_a_not_before_in_the_future(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        shown = await details(desk, await send(desk, notBefore=later(desk, days=7)))
        assert shown["notBefore"] == later(desk, days=7)
        assert shown["notAfter"] == later(desk, days=7, hours=6)
        assert shown["events"][0]["message"]["status"] == "scheduled"
        assert desk.world.lanes.take() == []

    ask(world, story)


def test_a_not_before_in_the_past_means_now(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        shown = await details(desk, await send(desk, notBefore="2020-01-01T00:00:00.000Z"))
        assert shown["notBefore"] == later(desk)
        assert len(desk.world.lanes.take()) == 1

    ask(world, story)


def test_a_time_without_an_offset_is_utc_and_one_with_an_offset_is_converted(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        at = (desk.world.time.now() + timedelta(hours=5)).replace(microsecond=0)
        elsewhere = at.astimezone(timezone(timedelta(hours=-9, minutes=-30)))
        naive = at.astimezone(UTC).replace(tzinfo=None)
        for told in (
            written(at),
            written(at).lower(),
            elsewhere.isoformat(),
            elsewhere.strftime("%Y-%m-%dT%H:%M:%S.000000000%z"),
            naive.isoformat(),
            naive.isoformat(" "),
        ):
            assert (await details(desk, await send(desk, notBefore=told)))["notBefore"] == written(at), told

    ask(world, story)


def test_not_after_says_until_when_it_may_be_sent(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        tracking_id = await send(desk, notBefore=later(desk, hours=1), notAfter=later(desk, hours=2))
        assert (await details(desk, tracking_id))["notAfter"] == later(desk, hours=2)
        desk.world.time.advance(timedelta(hours=3))
        await desk.world.clock.expire()
        assert (await details(desk, tracking_id))["events"][-1]["message"]["status"] == "expired"

    ask(world, story)


def test_a_not_after_at_the_end_of_the_calendar_is_taken(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        end = written(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
        assert (await details(desk, await send(desk, notAfter=end)))["notAfter"] == end

    ask(world, story)


@pytest.mark.parametrize("length", [0, 1, 100])
def test_a_client_id_of_up_to_100_characters_is_given_back(world: World, length: int) -> None:
    async def story(desk: ApiClient) -> None:
        shown = await details(desk, await send(desk, clientId="é" * length))
        assert shown["clientId"] == "é" * length
        assert shown["events"][0]["message"]["clientId"] == "é" * length

    ask(world, story)


def test_the_same_client_id_again_is_another_sms(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        assert await send(desk, clientId="1") != await send(desk, clientId="1")

    ask(world, story)


@pytest.mark.parametrize("absent", [..., None])
def test_what_is_left_out_or_null_has_its_default(world: World, absent: object) -> None:
    async def story(desk: ApiClient) -> None:
        names = "messageType", "templateId", "variables", "notBefore", "notAfter", "callbackUrl", "clientId"
        shown = await details(desk, await send(desk, **dict.fromkeys(names, absent)))
        assert (shown["messageType"], shown["clientId"]) == ("sms", "")

    ask(world, story)


@pytest.mark.parametrize("text", ["x" * 160, "🙂" * 160])
def test_a_message_may_have_160_characters_however_many_parts_that_makes(world: World, text: str) -> None:
    async def story(desk: ApiClient) -> None:
        assert (await details(desk, await send(desk, message=text)))["message"] == text

    ask(world, story)


@pytest.mark.parametrize(("most", "length"), [(0, 1000), (300, 300)])
def test_a_setting_lifts_the_limit_of_characters(settings: Settings, most: int, length: int) -> None:
    async def story(desk: ApiClient) -> None:
        await send(desk, message="x" * length)

    ask(World(settings.model_copy(update={"emsgnow_max_characters": most})), story)


def test_unknown_fields_are_ignored(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        await send(desk, colour="blue", id=7)

    ask(world, story)


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded", None])
def test_json_is_taken_whatever_its_content_type_says(world: World, content_type: str | None) -> None:
    async def story(desk: ApiClient) -> None:
        raw = httpx.Request("POST", "http://api", json=body()).content
        headers = {"Content-Type": content_type} if content_type else {}
        assert (await desk.http.post(PATH, content=raw, headers=headers)).status_code == 200

    ask(world, story)


def test_a_country_without_a_route_is_accepted_and_cancelled_with_28(world: World) -> None:
    world.configs["sim"] = ProviderConfig(name="sim", plugin="test", options={}, countries=frozenset({"DE"}))

    async def story(desk: ApiClient) -> None:
        [happened] = (await details(desk, await send(desk)))["events"]
        assert happened["message"]["status"] == "cancelled"
        assert happened["message"]["additionalInfo"]["code"] == 28

    ask(world, story)


def test_an_sms_of_a_test_key_costs_nothing(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        key = await key_of(desk.world, caller_of(desk.world).account, is_test=True)
        assert (await desk.http.post(PATH, json=body(), headers=key)).status_code == 200
        assert await desk.world.balance() == 10_000

    ask(world, story)
