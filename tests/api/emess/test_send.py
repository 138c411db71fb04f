"""Emess sends one message, by its document (000) and docs/dialects/emess.md."""

from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from dispatcher.domain.delivery.provider import ProviderConfig
from dispatcher.service.accounts import opt_outs
from dispatcher.settings import Settings
from tests.api.emess.sample import (
    JSON,
    SEND,
    EmessClient,
    application,
    bearer,
    error_message,
    one,
    run_with_api,
)
from tests.world import NUMBER, World


def test_a_message_is_answered_with_its_id_and_its_batch(world: World) -> None:
    async def story(api: EmessClient) -> None:
        response = await api.send()
        assert (response.status_code, response.headers["content-type"]) == (200, JSON)
        answer = response.json()
        assert list(answer) == ["message", "id", "batchId"]
        assert answer["message"] == "SMS sent successfully"
        row = await api.world.one(
            "SELECT m.public_id AS id, b.public_id AS batch, m.status, m.number, b.dialect"
            " FROM messages m JOIN batches b ON b.id = m.batch_id"
        )
        assert answer["id"] == str(row.id) == str(UUID(answer["id"]))
        assert answer["batchId"] == str(row.batch)
        assert answer["id"] != answer["batchId"]
        assert (row.status, row.number, row.dialect) == (11, NUMBER, "emess")

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("type_", "validity"),
    [("critical", timedelta(minutes=10)), ("standard", timedelta(hours=24)), ("bulk", timedelta(hours=72))],
)
def test_the_type_is_the_tier_and_gives_the_validity(world: World, type_: str, validity: timedelta) -> None:
    async def story(api: EmessClient) -> None:
        assert (await api.send(type=type_)).status_code == 200
        row = await api.world.one("SELECT tier, not_before, not_after FROM messages")
        assert (row.tier, row.not_after - row.not_before) == (type_, validity)
        [(tier, _)] = api.world.lanes.published
        assert tier == type_

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("number", "dialled"),
    [
        ("+254712345678", "+254712345678"),
        ("254712345678", "+254712345678"),
        ("0712345678", "+254712345678"),
        ("+254 712-345 678", "+254712345678"),
        ("712345678", "+254712345678"),
        ("+33612345678", "+33612345678"),
        ("0202345678", "+254202345678"),
    ],
)
def test_a_number_is_e164_or_national_and_may_be_a_fixed_line(
    world: World, number: str, dialled: str
) -> None:
    async def story(api: EmessClient) -> None:
        assert (await api.send(number=number)).status_code == 200
        assert (await api.world.one("SELECT number FROM messages")).number == dialled

    run_with_api(world, story)


def test_without_a_country_a_national_number_is_invalid(world: World) -> None:
    async def story(api: EmessClient) -> None:
        await api.world.all("UPDATE accounts SET default_country = NULL")
        assert await api.refused(SEND, one(number="0712345678")) == (
            "Invalid phone number: 0712345678"
            " (it has no country code, and the account has no default country)"
        )
        assert (await api.send(number=NUMBER)).status_code == 200

    run_with_api(world, story)


_ACCENTED = "Crème brûlée à Łódź, ß ø đ æ œ ı ñ; Йё Ελλάδα हिन्दी ไทย"


@pytest.mark.parametrize(
    ("keep", "sent"),
    [
        (..., "Creme brulee a Lodz, ss o d ae oe i n; Йё Ελλάδα हिन्दी ไทย"),
        (False, "Creme brulee a Lodz, ss o d ae oe i n; Йё Ελλάδα हिन्दी ไทย"),
        (True, _ACCENTED),
    ],
)
def test_latin_letters_lose_their_accents_unless_requested_otherwise(
    world: World, keep: object, sent: str
) -> None:
    async def story(api: EmessClient) -> None:
        assert (await api.send(message=_ACCENTED, keepDiacritics=keep)).status_code == 200
        assert (await api.world.one("SELECT text FROM messages")).text == sent

    run_with_api(world, story)


def test_a_message_costs_a_token_a_segment_of_what_is_sent(world: World) -> None:
    async def story(api: EmessClient) -> None:
        assert (await api.send(message="ç" * 160)).status_code == 200
        assert await api.world.balance() == 10_000 - 1
        assert (await api.send(message="ç" * 160, keepDiacritics=True)).status_code == 200
        assert await api.world.balance() == 10_000 - 1 - 3

    run_with_api(world, story)


def test_without_tokens_it_is_402_and_nothing_is_stored(world: World) -> None:
    async def story(api: EmessClient) -> None:
        response = await api.send(message="x" * 161)
        assert (response.status_code, error_message(response)) == (402, "Insufficient tokens")
        assert await api.rows() == 0
        assert (await api.send()).status_code == 200
        assert await api.world.balance() == 0

    run_with_api(world, story, credits=1)


def test_unknown_fields_are_ignored(world: World) -> None:
    async def story(api: EmessClient) -> None:
        assert (await api.send(sender="X", id=7, callbackUrl=None)).status_code == 200

    run_with_api(world, story)


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-www-form-urlencoded", "text/plain", None]
)
def test_json_is_accepted_whatever_its_content_type_says(world: World, content_type: str | None) -> None:
    async def story(api: EmessClient) -> None:
        raw = httpx.Request("POST", "http://api", json=one()).content
        headers = {"Content-Type": content_type} if content_type else {}
        assert (await api.http.post(SEND, content=raw, headers=headers)).status_code == 200

    run_with_api(world, story)


def test_the_same_request_with_its_key_gets_the_same_response_and_sends_once(world: World) -> None:
    async def story(api: EmessClient) -> None:
        key = {"Idempotency-Key": "order-1"}
        first, again = [await api.http.post(SEND, json=one(), headers=key) for _ in range(2)]
        assert (first.status_code, again.status_code) == (200, 200)
        assert "idempotent-replayed" not in first.headers
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers["content-type"] == JSON
        assert again.content == first.content
        assert len(await api.world.all("SELECT 1 FROM messages")) == 1

    run_with_api(world, story)


def test_the_same_json_in_another_order_is_the_same_request(world: World) -> None:
    async def story(api: EmessClient) -> None:
        key = {"Idempotency-Key": "order-1"}
        first = await api.http.post(SEND, json=one(), headers=key)
        again = await api.http.post(SEND, json=dict(reversed(one().items())), headers=key)
        assert (again.status_code, again.content) == (200, first.content)

    run_with_api(world, story)


@pytest.mark.parametrize("text", ["\u200b", "\u3164 \u2800", "\ufe0f\u00ad"])
def test_a_text_that_nobody_sees_is_refused_as_an_empty_one(world: World, text: str) -> None:
    async def story(api: EmessClient) -> None:
        response = await api.http.post(SEND, json=one(message=text))
        assert response.status_code == (await api.http.post(SEND, json=one(message=" "))).status_code == 400
        assert await api.world.all("SELECT 1 FROM messages") == []

    run_with_api(world, story)


def test_another_body_with_the_same_key_is_422(world: World) -> None:
    async def story(api: EmessClient) -> None:
        key = {"Idempotency-Key": "order-1"}
        await api.http.post(SEND, json=one(), headers=key)
        response = await api.http.post(SEND, json=one(message="Bye"), headers=key)
        assert response.status_code == 422
        assert error_message(response).startswith("this Idempotency-Key came with another request")

    run_with_api(world, story)


def test_an_invalid_key_is_400(world: World) -> None:
    async def story(api: EmessClient) -> None:
        response = await api.http.post(SEND, json=one(), headers={"Idempotency-Key": "a b"})
        assert response.status_code == 400
        assert error_message(response).startswith("Idempotency-Key must be")

    run_with_api(world, story)


def test_two_accounts_may_use_the_same_key(world: World) -> None:
    async def story(api: EmessClient) -> None:
        other = await api.world.another_account("other")
        theirs = await bearer(api.http, await application(api.world, other.account))
        key = {"Idempotency-Key": "order-1"}
        ours = await api.http.post(SEND, json=one(), headers=key)
        response = await api.http.post(SEND, json=one(), headers={**theirs, **key})
        assert response.status_code == 200
        assert response.json()["id"] != ours.json()["id"]

    run_with_api(world, story)


def test_an_opted_out_number_is_stored_as_26_and_uncharged(world: World) -> None:
    async def story(api: EmessClient) -> None:
        await opt_outs.add(api.world.ctx, api.world.caller.account, [NUMBER])
        assert (await api.send()).status_code == 200
        row = await api.world.one("SELECT status, charged FROM messages")
        assert (row.status, row.charged) == (26, 0)

    run_with_api(world, story)


def test_without_a_sender_it_is_stored_as_23_and_without_a_route_as_28(world: World) -> None:
    world.configs["sim"] = ProviderConfig(name="sim", plugin="test", options={}, countries=frozenset({"KE"}))

    async def story(api: EmessClient) -> None:
        assert (await api.send(number="+33612345678")).status_code == 200
        await api.world.all("UPDATE senders SET disabled_at = now(), is_default = false")
        assert (await api.send()).status_code == 200
        rows = await api.world.all("SELECT status, charged FROM messages ORDER BY id")
        assert [(row.status, row.charged) for row in rows] == [(28, 0), (23, 0)]

    run_with_api(world, story)


@pytest.mark.parametrize("taken", [True, False])
def test_simulated_numbers_are_accepted_if_the_setting_allows_them(settings: Settings, taken: bool) -> None:
    async def story(api: EmessClient) -> None:
        response = await api.send(number="+254000990013")
        assert response.status_code == (200 if taken else 400)

    run_with_api(World(settings.model_copy(update={"simulated_numbers": taken})), story)
