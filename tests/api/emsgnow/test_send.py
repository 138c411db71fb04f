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
    body,
    caller_of,
    details,
    format_time,
    key_of,
    later,
    run_with_api,
    send,
)
from tests.world import World

SIX_HOURS = timedelta(hours=6)


def test_an_sms_is_answered_with_its_tracking_id(world: World) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(PATH, json=body())
        assert response.status_code == 200
        assert response.headers["content-type"] == JSON
        answer = response.json()
        assert list(answer) == ["message", "trackingId"]
        assert answer["message"] == "SMS received successfully"
        row = await api.world.one("SELECT * FROM messages")
        assert answer["trackingId"] == row.public_id.hex
        assert re.fullmatch("[0-9a-f]{32}", answer["trackingId"])
        assert (row.text, row.status, row.tier, row.charged) == (TEXT, 11, "standard", 1)

    run_with_api(world, story)


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
    async def story(api: ApiClient) -> None:
        assert (await details(api, await send(api, to=to)))["to"] == to
        assert (await api.world.one("SELECT number FROM messages")).number == number

    run_with_api(world, story)


def test_without_times_it_may_be_sent_from_now_for_six_hours(world: World) -> None:
    async def story(api: ApiClient) -> None:
        now = api.world.time.now()
        shown = await details(api, await send(api))
        assert shown["notBefore"] == format_time(now)
        assert shown["notAfter"] == format_time(now + SIX_HOURS)

    run_with_api(world, story)


def test_a_setting_has_the_default_validity(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        shown = await details(api, await send(api))
        assert shown["notAfter"] == later(api, seconds=90)

    run_with_api(World(settings.model_copy(update={"emsgnow_validity": 90})), story)


def test_the_accounts_own_validity_comes_before_the_six_hours(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await api.world.all("UPDATE accounts SET standard_validity = interval '1 hour'")
        assert (await details(api, await send(api)))["notAfter"] == later(api, hours=1)

    run_with_api(world, story)


def test_the_six_hours_count_from_a_not_before_in_the_future(world: World) -> None:
    async def story(api: ApiClient) -> None:
        shown = await details(api, await send(api, notBefore=later(api, days=7)))
        assert shown["notBefore"] == later(api, days=7)
        assert shown["notAfter"] == later(api, days=7, hours=6)
        assert shown["events"][0]["message"]["status"] == "scheduled"
        assert api.world.lanes.take() == []

    run_with_api(world, story)


def test_a_not_before_in_the_past_means_now(world: World) -> None:
    async def story(api: ApiClient) -> None:
        shown = await details(api, await send(api, notBefore="2020-01-01T00:00:00.000Z"))
        assert shown["notBefore"] == later(api)
        assert len(api.world.lanes.take()) == 1

    run_with_api(world, story)


def test_a_time_without_an_offset_is_utc_and_one_with_an_offset_is_converted(world: World) -> None:
    async def story(api: ApiClient) -> None:
        at = (api.world.time.now() + timedelta(hours=5)).replace(microsecond=0)
        elsewhere = at.astimezone(timezone(timedelta(hours=-9, minutes=-30)))
        naive = at.astimezone(UTC).replace(tzinfo=None)
        for result in (
            format_time(at),
            format_time(at).lower(),
            elsewhere.isoformat(),
            elsewhere.strftime("%Y-%m-%dT%H:%M:%S.000000000%z"),
            naive.isoformat(),
            naive.isoformat(" "),
        ):
            assert (await details(api, await send(api, notBefore=result)))["notBefore"] == format_time(at), (
                result
            )

    run_with_api(world, story)


def test_not_after_is_the_end_of_the_window(world: World) -> None:
    async def story(api: ApiClient) -> None:
        tracking_id = await send(api, notBefore=later(api, hours=1), notAfter=later(api, hours=2))
        assert (await details(api, tracking_id))["notAfter"] == later(api, hours=2)
        api.world.time.advance(timedelta(hours=3))
        await api.world.clock.expire()
        assert (await details(api, tracking_id))["events"][-1]["message"]["status"] == "expired"

    run_with_api(world, story)


def test_a_not_after_at_the_end_of_the_calendar_is_accepted(world: World) -> None:
    async def story(api: ApiClient) -> None:
        end = format_time(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
        assert (await details(api, await send(api, notAfter=end)))["notAfter"] == end

    run_with_api(world, story)


@pytest.mark.parametrize("length", [0, 1, 100])
def test_a_client_id_of_up_to_100_characters_is_returned(world: World, length: int) -> None:
    async def story(api: ApiClient) -> None:
        shown = await details(api, await send(api, clientId="é" * length))
        assert shown["clientId"] == "é" * length
        assert shown["events"][0]["message"]["clientId"] == "é" * length

    run_with_api(world, story)


def test_the_same_client_id_again_is_another_sms(world: World) -> None:
    async def story(api: ApiClient) -> None:
        assert await send(api, clientId="1") != await send(api, clientId="1")

    run_with_api(world, story)


@pytest.mark.parametrize("absent", [..., None])
def test_a_field_that_is_left_out_or_null_has_its_default(world: World, absent: object) -> None:
    async def story(api: ApiClient) -> None:
        names = "messageType", "templateId", "variables", "notBefore", "notAfter", "callbackUrl", "clientId"
        shown = await details(api, await send(api, **dict.fromkeys(names, absent)))
        assert (shown["messageType"], shown["clientId"]) == ("sms", "")

    run_with_api(world, story)


@pytest.mark.parametrize("text", ["x" * 160, "🙂" * 160])
def test_a_message_may_have_160_characters_however_many_parts_that_makes(world: World, text: str) -> None:
    async def story(api: ApiClient) -> None:
        assert (await details(api, await send(api, message=text)))["message"] == text

    run_with_api(world, story)


@pytest.mark.parametrize(("most", "length"), [(0, 1000), (300, 300)])
def test_a_setting_lifts_the_limit_of_characters(settings: Settings, most: int, length: int) -> None:
    async def story(api: ApiClient) -> None:
        await send(api, message="x" * length)

    run_with_api(World(settings.model_copy(update={"emsgnow_max_characters": most})), story)


def test_unknown_fields_are_ignored(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await send(api, colour="blue", id=7)

    run_with_api(world, story)


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded", None])
def test_json_is_accepted_whatever_its_content_type_says(world: World, content_type: str | None) -> None:
    async def story(api: ApiClient) -> None:
        raw = httpx.Request("POST", "http://api", json=body()).content
        headers = {"Content-Type": content_type} if content_type else {}
        assert (await api.http.post(PATH, content=raw, headers=headers)).status_code == 200

    run_with_api(world, story)


def test_a_country_without_a_route_is_accepted_and_cancelled_with_28(world: World) -> None:
    world.configs["sim"] = ProviderConfig(name="sim", plugin="test", options={}, countries=frozenset({"DE"}))

    async def story(api: ApiClient) -> None:
        [happened] = (await details(api, await send(api)))["events"]
        assert happened["message"]["status"] == "cancelled"
        assert happened["message"]["additionalInfo"]["code"] == 28

    run_with_api(world, story)


def test_an_sms_of_a_test_key_costs_nothing(world: World) -> None:
    async def story(api: ApiClient) -> None:
        key = await key_of(api.world, caller_of(api.world).account, is_test=True)
        assert (await api.http.post(PATH, json=body(), headers=key)).status_code == 200
        assert await api.world.balance() == 10_000

    run_with_api(world, story)
