"""SMS Scheduler, by its document (003) and our decisions in docs/dialects/scheduler.md."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from dispatcher.api.dialects.scheduler.words import FAULTS, WORDS
from dispatcher.domain.errors import FaultKind
from dispatcher.domain.provider import ProviderConfig, Rejected
from dispatcher.domain.status import Status
from dispatcher.settings import Settings
from tests.api.desk import Body, Desk, ask, opened
from tests.world import World

PATH = "/api/v1/sms"
FRENCH = "+33612345678"
FIXED_LINE = "+330101010101"
INVALID = "The following phone number is invalid: {}"
DOCUMENTED = {*range(10, 14), *range(20, 30), *range(30, 34), 38, 39}


def body(desk: Desk, **changed: Any) -> Body:
    """Give the document's sample, with numbers that pass; None takes a field out."""
    whole = {
        "message_text": "Hello world",
        "message_stop": False,
        "delivery_date": "2020-12-25 12:45:59",
        "sender_id": desk.world.sender_id,
        "phone_numbers": [FRENCH],
    } | changed
    return {name: value for name, value in whole.items() if value is not ...}


async def create(desk: Desk, **changed: Any) -> tuple[int, dict[str, list[int]]]:
    response = await desk.http.post(PATH, json=body(desk, **changed))
    assert response.status_code == 200, response.text
    answer = response.json()
    return answer["message_id"], answer["sms_ids"]


async def create_one(desk: Desk, **changed: Any) -> int:
    _, ids = await create(desk, **changed)
    return ids[FRENCH][0]


async def refused(desk: Desk, **changed: Any) -> dict[str, list[str]]:
    response = await desk.http.post(PATH, json=body(desk, **changed))
    assert response.status_code == 400, response.text
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert list(response.json()) == ["errors"]
    assert await desk.rows() == 0
    errors: dict[str, list[str]] = response.json()["errors"]
    return errors


def later(desk: Desk, hours: float = 1) -> str:
    at = desk.world.time.now() + timedelta(hours=hours)
    return at.strftime("%Y-%m-%d %H:%M:%S")


# --- what is accepted


def test_a_message_to_many_numbers_is_answered_with_its_id_and_the_ids_by_number(world: World) -> None:
    async def story(desk: Desk) -> None:
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
    async def story(desk: Desk) -> None:
        _, ids = await create(desk, phone_numbers=[FRENCH, FRENCH])
        assert len(set(ids[FRENCH])) == 2

    ask(world, story)


def test_a_single_number_may_be_a_string(world: World) -> None:
    async def story(desk: Desk) -> None:
        _, ids = await create(desk, phone_numbers=FRENCH)
        assert list(ids) == [FRENCH]

    ask(world, story)


def test_a_setting_gives_scalar_ids(settings: Settings) -> None:
    async def story(desk: Desk) -> None:
        _, ids = await create(desk)
        assert isinstance(ids[FRENCH], int)

    ask(World(settings.model_copy(update={"scheduler_scalar_ids": True})), story)


def test_a_number_is_echoed_as_written_and_sent_in_e164(world: World) -> None:
    async def story(desk: Desk) -> None:
        _, ids = await create(desk, phone_numbers=[FIXED_LINE])
        [sms_id] = ids[FIXED_LINE]
        report = (await desk.http.get(f"{PATH}/{sms_id}")).json()
        assert report == {"phone_number": FIXED_LINE, "status": 11}
        assert (await desk.world.row(sms_id)).number == "+33101010101"

    ask(world, story)


def test_message_stop_is_appended_and_counted(world: World) -> None:
    async def story(desk: Desk) -> None:
        sms_id = await create_one(desk, message_text="x" * 150, message_stop=True)
        row = await desk.world.row(sms_id)
        assert row.text == "x" * 150 + "\nSTOP: reply STOP"
        assert (row.segments, row.charged) == (2, 2)

    ask(world, story)


def test_without_message_stop_nothing_is_appended(world: World) -> None:
    async def story(desk: Desk) -> None:
        sms_id = await create_one(desk, message_stop=...)
        assert (await desk.world.row(sms_id)).text == "Hello world"

    ask(world, story)


def test_unknown_fields_are_ignored(world: World) -> None:
    async def story(desk: Desk) -> None:
        await create(desk, colour="blue", id=7)

    ask(world, story)


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-www-form-urlencoded", "text/plain", None]
)
def test_json_is_taken_whatever_its_content_type_says(world: World, content_type: str | None) -> None:
    async def story(desk: Desk) -> None:
        raw = httpx.Request("POST", "http://api", json=body(desk)).content
        headers = {"Content-Type": content_type} if content_type else {}
        assert (await desk.http.post(PATH, content=raw, headers=headers)).status_code == 200

    ask(world, story)


def test_a_key_that_comes_twice_counts_with_its_last_value(world: World) -> None:
    async def story(desk: Desk) -> None:
        raw = httpx.Request("POST", "http://api", json=body(desk)).content
        doubled = raw.replace(b"{", b'{"message_text": "first", ', 1)
        assert (await desk.http.post(PATH, content=doubled)).status_code == 200
        assert (await desk.world.one("SELECT text FROM messages")).text == "Hello world"

    ask(world, story)


def test_without_credit_the_rows_are_kept_born_25_and_uncharged(world: World) -> None:
    async def story(desk: Desk) -> None:
        _, ids = await create(desk, phone_numbers=[FRENCH, FIXED_LINE])
        for [sms_id] in ids.values():
            assert (await desk.http.get(f"{PATH}/{sms_id}")).json()["status"] == 25
        assert await desk.world.balance() == 1

    ask(world, story, credits=1)


def test_a_country_without_a_route_is_born_28(world: World) -> None:
    world.configs["sim"] = ProviderConfig(name="sim", plugin="test", options={}, countries=frozenset({"DE"}))

    async def story(desk: Desk) -> None:
        assert await desk.status(await create_one(desk)) == 28

    ask(world, story)


def test_simulated_numbers_are_invalid_unless_the_setting_takes_them(settings: Settings) -> None:
    simulated = "+33000990013"

    async def strict(desk: Desk) -> None:
        errors = await refused(desk, phone_numbers=simulated)
        assert errors == {"phone_numbers": [INVALID.format(simulated)]}

    ask(World(settings), strict)


def test_simulated_numbers_are_taken_where_the_setting_says_so(settings: Settings) -> None:
    async def story(desk: Desk) -> None:
        await create(desk, phone_numbers="+33000990013")

    ask(World(settings.model_copy(update={"simulated_numbers": True})), story)


# --- when it is sent


def test_a_date_in_the_past_sends_at_once(world: World) -> None:
    async def story(desk: Desk) -> None:
        for past in ["2020-12-25 12:45:59", "0001-01-01 00:00:00", "0001-01-01T00:00:00+14:00", 0, -(10**30)]:
            assert await desk.status(await create_one(desk, delivery_date=past)) == 11

    ask(world, story)


def test_a_date_in_the_future_is_scheduled(world: World) -> None:
    async def story(desk: Desk) -> None:
        sms_id = await create_one(desk, delivery_date=later(desk))
        row = await desk.world.row(sms_id)
        assert (row.status, row.place) == (10, "held")
        assert row.not_before == datetime.fromisoformat(later(desk)).replace(tzinfo=UTC)

    ask(world, story)


async def _live_in(desk: Desk, zone: str) -> None:
    await desk.world.one("UPDATE accounts SET timezone = :zone RETURNING id", zone=zone)


async def _not_before(desk: Desk, delivery_date: object) -> datetime:
    row = await desk.world.row(await create_one(desk, delivery_date=delivery_date))
    assert isinstance(row.not_before, datetime)
    return row.not_before


def test_a_date_is_read_in_the_accounts_time_zone(world: World) -> None:
    world.time.at = datetime(2030, 1, 1, tzinfo=UTC)

    async def story(desk: Desk) -> None:
        await _live_in(desk, "Europe/Paris")
        assert await _not_before(desk, "2030-07-01 12:00:00") == datetime(2030, 7, 1, 10, tzinfo=UTC)

    ask(world, story)


def test_a_date_that_a_summer_time_skips_means_the_first_valid_instant(world: World) -> None:
    world.time.at = datetime(2030, 1, 1, tzinfo=UTC)

    async def story(desk: Desk) -> None:
        await _live_in(desk, "Europe/Paris")
        assert await _not_before(desk, "2030-03-31 02:30:00") == datetime(2030, 3, 31, 1, tzinfo=UTC)

    ask(world, story)


def test_an_offset_in_the_date_counts_more_than_the_accounts_zone(world: World) -> None:
    world.time.at = datetime(2030, 1, 1, tzinfo=UTC)

    async def story(desk: Desk) -> None:
        await _live_in(desk, "Europe/Paris")
        noon = datetime(2030, 7, 1, 12, tzinfo=UTC)
        assert await _not_before(desk, "2030-07-01T12:00:00Z") == noon
        assert await _not_before(desk, "2030-07-01T15:00:00+03:00") == noon
        assert await _not_before(desk, int(noon.timestamp())) == noon
        assert await _not_before(desk, noon.timestamp() + 0.5) == noon + timedelta(seconds=0.5)

    ask(world, story)


def test_a_message_is_good_for_72_hours_after_its_delivery_date(world: World) -> None:
    async def story(desk: Desk) -> None:
        row = await desk.world.row(await create_one(desk, delivery_date=later(desk)))
        assert row.not_after - row.not_before == timedelta(hours=72)

    ask(world, story)


def test_the_accounts_own_validity_counts_more_than_72_hours(world: World) -> None:
    async def story(desk: Desk) -> None:
        await desk.world.one("UPDATE accounts SET standard_validity = '2 hours' RETURNING id")
        row = await desk.world.row(await create_one(desk))
        assert row.not_after - row.not_before == timedelta(hours=2)

    ask(world, story)


def test_a_date_two_years_ahead_is_refused(world: World) -> None:
    async def story(desk: Desk) -> None:
        message = 'The field "delivery_date" is too far ahead: at most 731 days'
        far = [later(desk, 24 * 732), "9999-12-31 23:59:59", "9999-12-31T23:59:59-14:00", 10**30]
        for date in far:
            assert await refused(desk, delivery_date=date) == {"delivery_date": [message]}
        await _live_in(desk, "America/New_York")
        assert await refused(desk, delivery_date="9999-12-31 23:59:59") == {"delivery_date": [message]}

    ask(world, story)


# --- what is refused

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
def test_a_faulty_field_is_named_and_nothing_is_kept(
    world: World, field: str, value: object, message: str
) -> None:
    async def story(desk: Desk) -> None:
        assert await refused(desk, **{field: value}) == {field: [message.format(field)]}

    ask(world, story)


def test_all_faults_are_told_together_in_the_documents_words(world: World) -> None:
    async def story(desk: Desk) -> None:
        errors = await refused(desk, message_stop="no", phone_numbers=[FRENCH, 5, "+123456789"])
        assert errors == {
            "message_stop": ['The field "message_stop" must be a value of type "boolean"'],
            "phone_numbers": [
                'The field "phone_numbers" must be a list of type "string"',
                "The following phone number is invalid: +123456789",
            ],
        }

    ask(world, story)


def test_an_unknown_sender_and_bad_numbers_are_told_beside_other_faults(world: World) -> None:
    async def story(desk: Desk) -> None:
        errors = await refused(
            desk, message_text=..., delivery_date="soon", sender_id=999, phone_numbers=["1", FRENCH, "2"]
        )
        assert errors == {
            "message_text": ['The field "message_text" is required'],
            "delivery_date": [_DATE],
            "sender_id": ['The field "sender_id" is invalid'],
            "phone_numbers": [INVALID.format("1"), INVALID.format("2")],
        }
        assert list(errors) == ["message_text", "delivery_date", "sender_id", "phone_numbers"]

    ask(world, story)


def test_an_empty_object_names_every_required_field(world: World) -> None:
    async def story(desk: Desk) -> None:
        response = await desk.http.post(PATH, json={})
        assert response.status_code == 400
        required = ["message_text", "delivery_date", "sender_id", "phone_numbers"]
        assert response.json()["errors"] == {name: [_REQUIRED.format(name)] for name in required}

    ask(world, story)


def test_one_bad_number_spoils_the_whole_message(world: World) -> None:
    async def story(desk: Desk) -> None:
        errors = await refused(desk, phone_numbers=[FIXED_LINE, "+490303030303", "0404-040-404"])
        assert errors == {"phone_numbers": [INVALID.format("0404-040-404")]}

    ask(world, story)


def test_more_numbers_than_the_setting_allows_are_refused(settings: Settings) -> None:
    async def story(desk: Desk) -> None:
        errors = await refused(desk, phone_numbers=[FRENCH] * 3)
        assert errors == {"phone_numbers": ['The field "phone_numbers" has too many values: 3, at most 2']}

    ask(World(settings.model_copy(update={"max_recipients": 2})), story)


def test_another_accounts_sender_is_invalid(world: World) -> None:
    async def story(desk: Desk) -> None:
        await desk.world.another_account("other")
        theirs = (await desk.world.one("SELECT id FROM senders WHERE name = 'OTHER'")).id
        assert await refused(desk, sender_id=theirs) == {"sender_id": ['The field "sender_id" is invalid']}

    ask(world, story)


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
    async def story(desk: Desk) -> None:
        response = await desk.http.post(PATH, content=raw)
        assert response.status_code == 400
        assert response.json() == {"errors": {"body": ["The body is not valid JSON"]}}
        assert await desk.rows() == 0

    ask(world, story)


@pytest.mark.parametrize("raw", [b"[]", b'"text"', b"null", b"5", b"true"])
def test_json_that_is_no_object_is_400(world: World, raw: bytes) -> None:
    async def story(desk: Desk) -> None:
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
    async def story(desk: Desk) -> None:
        response = await desk.http.post(PATH, content=b"{}", headers=headers)
        assert response.status_code == 415
        assert list(response.json()["errors"]) == ["body"]

    ask(world, story)


def test_half_a_surrogate_pair_is_refused_and_not_a_crash(world: World) -> None:
    async def story(desk: Desk) -> None:
        raw = rb'{"message_text": "\ud800", "delivery_date": 0, "sender_id": 1, "phone_numbers": "\udfff"}'
        response = await desk.http.post(PATH, content=raw)
        assert response.status_code == 400
        assert sorted(response.json()["errors"]) == ["message_text", "phone_numbers"]

    ask(world, story)


# --- who may ask

_WHO = {"errors": {"authorization": ["Invalid or missing API key"]}}


@pytest.mark.parametrize(
    "value", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic YTpi", "sms_x", "bearer \xff"]
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", PATH), ("GET", f"{PATH}/x"), ("DELETE", "/api/v1/message/1")]
)
def test_without_a_valid_key_it_is_401_before_anything_is_judged(
    world: World, method: str, path: str, value: str | None
) -> None:
    async def story(desk: Desk) -> None:
        headers = [(b"Authorization", value.encode("latin-1"))] if value is not None else []
        del desk.http.headers["Authorization"]
        response = await desk.http.request(method, path, content=b"not json", headers=headers)
        assert response.status_code == 401
        assert response.json() == _WHO
        assert response.headers["www-authenticate"] == "Bearer"

    ask(world, story)


@pytest.mark.parametrize("scheme", ["bearer", "Bearer", "BEARER"])
def test_the_scheme_may_be_in_any_case(world: World, scheme: str) -> None:
    async def story(desk: Desk) -> None:
        _, key = desk.http.headers["Authorization"].split()
        response = await desk.http.post(PATH, json=body(desk), headers={"Authorization": f"{scheme} {key}"})
        assert response.status_code == 200

    ask(world, story)


# --- reports and deletions


def test_the_report_of_a_message_lists_its_sms(world: World) -> None:
    async def story(desk: Desk) -> None:
        message_id, ids = await create(desk, phone_numbers=[FRENCH, FIXED_LINE])
        report = (await desk.http.get(f"/api/v1/message/{message_id}")).json()
        assert report == [
            {"id": ids[FRENCH][0], "phone_number": FRENCH, "status": 11},
            {"id": ids[FIXED_LINE][0], "phone_number": FIXED_LINE, "status": 11},
        ]
        assert list(report[0]) == ["id", "phone_number", "status"]

    ask(world, story)


def test_a_report_follows_the_sms(world: World) -> None:
    async def story(desk: Desk) -> None:
        sms_id = await create_one(desk)
        await desk.world.deliver()
        assert (await desk.http.get(f"{PATH}/{sms_id}")).json() == {"phone_number": FRENCH, "status": 12}

    ask(world, story)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_deleted_sms_is_refunded_and_not_found_any_more(world: World, hours: int) -> None:
    async def story(desk: Desk) -> None:
        sms_id = await create_one(desk, delivery_date=later(desk, hours))
        assert await desk.world.balance() == 9_999
        response = await desk.http.delete(f"{PATH}/{sms_id}")
        assert (response.status_code, response.json()) == (200, {"success": True})
        assert await desk.world.balance() == 10_000
        for again in ("GET", "DELETE"):
            response = await desk.http.request(again, f"{PATH}/{sms_id}")
            assert (response.status_code, response.json()) == (404, {"errors": {"id": ["Not found"]}})

    ask(world, story)


def test_an_sms_a_worker_has_claimed_cannot_be_deleted(world: World) -> None:
    async def story(desk: Desk) -> None:
        sms_id = await create_one(desk)
        await desk.world.claim(sms_id)
        response = await desk.http.delete(f"{PATH}/{sms_id}")
        assert (response.status_code, response.json()) == (200, {"success": False})
        assert (await desk.http.get(f"{PATH}/{sms_id}")).json()["status"] == 11

    ask(world, story)


def test_a_sent_or_failed_sms_cannot_be_deleted(world: World) -> None:
    async def story(desk: Desk) -> None:
        sent = await create_one(desk)
        await desk.world.deliver()
        desk.world.sim.always(Rejected(Status.BLOCKED, "no"))
        failed = await create_one(desk)
        await desk.world.deliver()
        assert [await desk.status(sent), await desk.status(failed)] == [12, 31]
        for sms_id in (sent, failed):
            assert (await desk.http.delete(f"{PATH}/{sms_id}")).json() == {"success": False}

    ask(world, story)


def test_deleting_a_message_counts_only_the_sms_deleted(world: World) -> None:
    async def story(desk: Desk) -> None:
        message_id, ids = await create(desk, phone_numbers=[FRENCH, FRENCH, FRENCH])
        await desk.world.claim(ids[FRENCH][0])
        path = f"/api/v1/message/{message_id}"
        response = await desk.http.delete(path)
        assert (response.status_code, response.json()) == (200, {"success": 2})
        assert [line["id"] for line in (await desk.http.get(path)).json()] == ids[FRENCH][:1]
        assert (await desk.http.delete(path)).json() == {"success": 0}

    ask(world, story)


def test_a_message_with_all_its_sms_deleted_is_not_found(world: World) -> None:
    async def story(desk: Desk) -> None:
        message_id, _ = await create(desk)
        await desk.http.delete(f"/api/v1/message/{message_id}")
        assert (await desk.http.get(f"/api/v1/message/{message_id}")).status_code == 404

    ask(world, story)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("kind", ["sms", "message"])
@pytest.mark.parametrize(
    "name",
    ["999", "0", "abc", "-1", "1.0", "1_0", "+1", "%D9%A1", "%00", str(2**63 - 1), str(2**63), "9" * 500],
)
def test_what_is_no_id_of_ours_is_not_found(world: World, method: str, kind: str, name: str) -> None:
    async def story(desk: Desk) -> None:
        await create(desk)
        response = await desk.http.request(method, f"/api/v1/{kind}/{name}")
        assert (response.status_code, response.json()) == (404, {"errors": {"id": ["Not found"]}})
        assert response.headers["content-type"] == "application/json; charset=utf-8"

    ask(world, story)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_another_accounts_ids_are_not_found(world: World, method: str) -> None:
    async def story(desk: Desk) -> None:
        message_id, ids = await create(desk, delivery_date=later(desk))
        other = await desk.world.another_account("other")
        key = await desk.key_of(other.account)
        for path in (f"{PATH}/{ids[FRENCH][0]}", f"/api/v1/message/{message_id}"):
            assert (await desk.http.request(method, path, headers=key)).status_code == 404
        assert await desk.status(ids[FRENCH][0]) == 10

    ask(world, story)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_ids_of_another_dialect_of_the_same_account_are_not_found(world: World, method: str) -> None:
    async def story(desk: Desk) -> None:
        batch = await desk.world.submit(FRENCH, after=timedelta(hours=1))
        for path in (f"{PATH}/{batch.messages[0].id}", f"/api/v1/message/{batch.id}"):
            assert (await desk.http.request(method, path)).status_code == 404
        assert await desk.status(batch.messages[0].id) == 10

    ask(world, story)


# --- every other failure keeps the envelope


def test_an_unknown_path_is_404_in_the_envelope(world: World) -> None:
    async def story(desk: Desk) -> None:
        for path in ("/api/v1", "/api/v1/", "/api/v1/nothing", f"{PATH}/", f"{PATH}/1/", f"{PATH}/1/2"):
            response = await desk.http.get(path)
            assert (response.status_code, list(response.json())) == (404, ["errors"]), path

    ask(world, story)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", PATH, "POST"),
        ("PUT", f"{PATH}/1", "DELETE, GET"),
        ("POST", "/api/v1/message/1", "DELETE, GET"),
    ],
)
def test_a_wrong_method_is_405_and_names_the_right_ones(
    world: World, method: str, path: str, allowed: str
) -> None:
    async def story(desk: Desk) -> None:
        response = await desk.http.request(method, path)
        assert response.status_code == 405
        assert response.json() == {"errors": {"method": ["Method Not Allowed"]}}
        assert response.headers["allow"] == allowed

    ask(world, story)


def test_too_large_a_body_is_413_in_the_envelope(settings: Settings) -> None:
    async def story(desk: Desk) -> None:
        response = await desk.http.post(PATH, json=body(desk, message_text="x" * 3000))
        assert response.status_code == 413
        assert response.json() == {"errors": {"body": ["The body is larger than 2048 bytes"]}}
        assert await desk.rows() == 0

    ask(World(settings.model_copy(update={"bulk_body_limit": 2048})), story)


def test_while_postgres_is_away_it_is_503_with_retry_after(settings: Settings) -> None:
    away = World(
        settings.model_copy(update={"database_url": SecretStr("postgresql://nobody@127.0.0.1:1/none")})
    )

    async def story() -> None:
        async with away.open(), opened(away, Authorization="Bearer key") as client:
            for method, path in [("POST", PATH), ("GET", f"{PATH}/1"), ("DELETE", "/api/v1/message/1")]:
                response = await client.request(method, path, content=b"{}")
                assert response.status_code == 503
                assert response.headers["retry-after"] == "5"
                assert response.json() == {
                    "errors": {"server": ["the database cannot be reached; try again"]}
                }

    asyncio.run(story())


# --- the dictionary is whole


def test_every_status_has_its_documented_code_and_withdrawn_has_none() -> None:
    assert set(WORDS) == set(Status)
    assert {word.code for word in WORDS.values() if word} == DOCUMENTED
    assert all(word is None or word.code == status for status, word in WORDS.items())
    assert [status for status, word in WORDS.items() if word is None] == [Status.WITHDRAWN]


def test_every_kind_of_fault_has_its_words() -> None:
    assert set(FAULTS) == set(FaultKind)


def test_the_openapi_tells_the_documents_operations_and_examples(world: World) -> None:
    async def story(desk: Desk) -> None:
        del desk.http.headers["Authorization"]
        page = await desk.http.get("/api/v1/docs")
        assert (page.status_code, "/api/v1/openapi.json" in page.text) == (200, True)
        api = (await desk.http.get("/api/v1/openapi.json")).json()
        operations = {(method, path) for path, item in api["paths"].items() for method in item}
        assert operations == {
            ("post", "/api/v1/sms"),
            ("get", "/api/v1/sms/{sms_id}"),
            ("delete", "/api/v1/sms/{sms_id}"),
            ("get", "/api/v1/message/{message_id}"),
            ("delete", "/api/v1/message/{message_id}"),
        }
        create = api["paths"]["/api/v1/sms"]["post"]
        sample = create["requestBody"]["content"]["application/json"]["example"]
        assert sample["message_text"] == "Hello world"
        assert sorted(create["responses"]) == ["200", "400", "401"]
        assert api["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"

    ask(world, story)
