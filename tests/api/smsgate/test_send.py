"""SMS Gateway takes a message: the document's answer inside upstream's state."""

import re
from dataclasses import replace

import pytest

from dispatcher.service.accounts import opt_outs
from dispatcher.service.messages import search
from dispatcher.service.routing import routes
from dispatcher.settings import Settings
from tests.api.client import ApiClient
from tests.api.smsgate.client import (
    AMERICAN,
    BASE,
    FIXED_LINE,
    KENYAN,
    PATH,
    body,
    login,
    run_with_api,
    send,
    state,
    with_settings,
)
from tests.world import World

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_the_documents_sample_is_answered_with_an_id_and_upstreams_state(world: World) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(PATH, json=body())
        assert response.status_code == 200
        answer = response.json()
        assert _UUID.fullmatch(answer["id"])
        assert len(answer["deviceId"]) == 21
        created = answer["createdAt"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", created)
        assert answer == {
            "id": answer["id"],
            "deviceId": answer["deviceId"],
            "state": "Pending",
            "isHashed": False,
            "isEncrypted": False,
            "recipients": [{"phoneNumber": AMERICAN, "state": "Pending", "error": None}],
            "states": {"Pending": created},
            "createdAt": created,
        }
        assert response.headers["location"] == f"{PATH}/{answer['id']}"
        assert response.headers["link"] == '</.well-known/api-catalog>; rel="api-catalog"'

    run_with_api(world, story)


def test_a_setting_answers_202_as_upstream_does(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(PATH, json=body())
        assert (response.status_code, response.json()["state"]) == (202, "Pending")

    run_with_api(with_settings(settings, smsgate_answers_202=True), story)


@pytest.mark.parametrize("base", [BASE, "/3rdparty/v1"])
@pytest.mark.parametrize("name", ["messages", "message"])
def test_both_bases_and_the_old_name_send_and_follow(world: World, base: str, name: str) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(f"{base}/{name}?", json=body())
        assert response.status_code == 200
        assert response.headers["location"] == f"{base}/messages/{response.json()['id']}"
        for path in (response.headers["location"], f"{base}/{name}/{response.json()['id']}"):
            assert (await api.http.get(path)).json()["id"] == response.json()["id"]

    run_with_api(world, story)


def test_the_deprecated_message_is_a_text_and_nulls_are_fields_left_out(world: World) -> None:
    """What the TypeScript client sends."""

    async def story(api: ApiClient) -> None:
        nulls = dict.fromkeys(["id", "ttl", "simNumber", "withDeliveryReport", "priority", "deviceId"])
        answer = await send(api, textMessage=..., message="Hello", **nulls)
        assert (await state(api, answer["id"]))["textMessage"] == {"text": "Hello"}

    run_with_api(world, story)


def test_unknown_fields_and_any_content_type_are_accepted(world: World) -> None:
    async def story(api: ApiClient) -> None:
        sample = '{"phoneNumbers":["+12025550100"],"textMessage":{"text":"Hello!","x":1},"new":{}}'
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        assert (await api.http.post(PATH, content=sample, headers=headers)).status_code == 200

    run_with_api(world, story)


def test_numbers_come_out_in_e164_and_local_ones_are_of_the_accounts_country(world: World) -> None:
    async def story(api: ApiClient) -> None:
        answer = await send(api, phoneNumbers=["0712 345-678", "+1 (202) 555-0100"])
        assert [one["phoneNumber"] for one in answer["recipients"]] == [KENYAN, AMERICAN]
        result = await state(api, answer["id"])
        assert [one["phoneNumber"] for one in result["recipients"]] == [KENYAN, AMERICAN]

    run_with_api(world, story)


@pytest.mark.parametrize("number", ["+12025550", FIXED_LINE])
def test_skip_phone_validation_accepts_any_number_in_a_valid_format(world: World, number: str) -> None:
    async def story(api: ApiClient) -> None:
        sample = body(phoneNumbers=[number])
        assert (await api.http.post(f"{PATH}?skipPhoneValidation=false", json=sample)).status_code == 400
        response = await api.http.post(f"{PATH}?skipPhoneValidation=true&deviceActiveWithin=12", json=sample)
        assert response.status_code == 200
        assert response.json()["recipients"][0]["phoneNumber"] == number

    run_with_api(world, story)


def test_a_setting_takes_fixed_lines(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        await send(api, phoneNumbers=[FIXED_LINE])

    run_with_api(with_settings(settings, smsgate_landlines=True), story)


def test_a_setting_takes_simulated_numbers(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        await send(api, phoneNumbers=["+254990013"])

    run_with_api(with_settings(settings, simulated_numbers=True), story)


def test_a_hundred_numbers_are_accepted(world: World) -> None:
    async def story(api: ApiClient) -> None:
        answer = await send(api, phoneNumbers=[f"+2547123456{n:02}" for n in range(100)])
        assert len(answer["recipients"]) == 100

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("priority", "tier"),
    [
        (-128, "bulk"),
        (-1, "bulk"),
        (0, "standard"),
        (..., "standard"),
        (99, "standard"),
        (100, "critical"),
        (127, "critical"),
    ],
)
def test_priority_is_the_tier(world: World, priority: int, tier: str) -> None:
    async def story(api: ApiClient) -> None:
        await send(api, priority=priority)
        assert (await api.world.one("SELECT tier FROM messages")).tier == tier

    run_with_api(world, story)


def test_a_sim_number_is_a_sender_by_its_age_and_without_one_it_is_the_default(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await api.world.all(
            "INSERT INTO senders (account_id, name) SELECT id, 'SECOND' FROM accounts WHERE name = 'shop'"
        )
        names = []
        for changed in ({"simNumber": 2}, {"simNumber": 1}, {}):
            await send(api, **changed)
            row = await api.world.one(
                "SELECT s.name FROM messages m JOIN senders s ON s.id = sender_id ORDER BY m.id DESC LIMIT 1"
            )
            names.append(row.name)
        assert names == ["SECOND", "SHOP", "SHOP"]

    run_with_api(world, story)


def test_the_one_device_may_be_named(world: World) -> None:
    async def story(api: ApiClient) -> None:
        device = (await api.http.get(f"{BASE}/devices")).json()[0]["id"]
        assert (await send(api, deviceId=device))["deviceId"] == device

    run_with_api(world, story)


@pytest.mark.parametrize("name", ["my-id", "x" * 36, "PyDmBQZZXYmyxMwED8Fzy", "a/b", "a b?", "é"])
def test_a_clients_own_id_is_the_messages_id(world: World, name: str) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(PATH, json=body(id=name))
        assert response.json()["id"] == name
        assert (await api.http.get(response.headers["location"])).json()["id"] == name
        assert (await api.http.delete(response.headers["location"])).json()["id"] == name

    run_with_api(world, story)


def test_a_clients_id_that_was_given_out_is_409(world: World) -> None:
    async def story(api: ApiClient) -> None:
        given = (await send(api))["id"]
        before = await api.rows()
        response = await api.http.post(PATH, json=body(id=given))
        assert response.status_code == 409
        assert response.json() == {"message": "message with the same ID already exists", "code": 409}
        assert await api.rows() == before
        assert (await api.http.post(PATH, json=body(id=given[::-1]))).status_code == 200

    run_with_api(world, story)


def test_a_clients_id_that_came_before_is_409(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await send(api, id="mine")
        kept = await api.rows()
        response = await api.http.post(PATH, json=body(id="mine"))
        assert response.status_code == 409
        assert response.json() == {"message": "message with the same ID already exists", "code": 409}
        assert await api.rows() == kept

    run_with_api(world, story)


def test_another_account_may_have_the_same_id(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await send(api, id="mine", textMessage={"text": "ours"})
        other = await api.world.another_account("other")
        api.http.auth = await login(api.world, other.account)
        await send(api, id="mine", textMessage={"text": "theirs"})
        assert (await state(api, "mine"))["textMessage"] == {"text": "theirs"}

    run_with_api(world, story)


def test_an_empty_id_counts_as_left_out(world: World) -> None:
    async def story(api: ApiClient) -> None:
        assert _UUID.fullmatch((await send(api, id=""))["id"])

    run_with_api(world, story)


def test_an_idempotency_key_gives_the_same_response_again(world: World) -> None:
    async def story(api: ApiClient) -> None:
        headers = {"Idempotency-Key": "once"}
        first, again = [await api.http.post(PATH, json=body(), headers=headers) for _ in range(2)]
        assert (first.status_code, first.content) == (again.status_code, again.content)
        assert again.headers["location"] == first.headers["location"]
        assert again.headers["idempotent-replayed"] == "true"
        other = await api.http.post(PATH, json=body(priority=1), headers=headers)
        assert (other.status_code, other.json()["code"]) == (422, 422)
        assert (await api.world.one("SELECT count(*) AS n FROM messages")).n == 1

    run_with_api(world, story)


def test_without_credit_it_is_402_and_nothing_is_stored(world: World) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(PATH, json=body(phoneNumbers=[KENYAN, AMERICAN]))
        assert (response.status_code, response.json()["code"]) == (402, 402)
        assert await api.rows() == 0

    run_with_api(world, story, credits=1)


def test_without_a_sender_it_is_failed_at_accept(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await api.world.all("UPDATE senders SET is_default = false")
        answer = await send(api)
        assert answer["state"] == "Failed"
        assert answer["recipients"][0]["error"] == "no sender"
        assert list(answer["states"]) == ["Failed"]

    run_with_api(world, story)


@pytest.mark.parametrize("number", ["22384", "*7701012345678", "#21", "05051234567"])
def test_without_validation_a_short_code_is_sent_as_it_is(world: World, number: str) -> None:
    async def story(api: ApiClient) -> None:
        assert (await api.http.post(PATH, json=body(phoneNumbers=[number]))).status_code == 400
        response = await api.http.post(
            f"{PATH}?skipPhoneValidation=true", json=body(phoneNumbers=[number, KENYAN])
        )
        assert response.status_code == 200, response.text
        shown = [one["phoneNumber"] for one in response.json()["recipients"]]
        assert shown == [number, KENYAN]
        await world.deliver()
        assert [one.to for one in world.sim.seen] == [number, KENYAN]
        states = await state(api, response.json()["id"])
        assert [one["state"] for one in states["recipients"]] == ["Sent", "Sent"]
        rows = await world.all("SELECT number, country FROM messages ORDER BY id")
        assert [(row.number, row.country) for row in rows] == [(number, ""), (KENYAN, "KE")]
        kenyan = replace(world.caller.account, default_country="KE")
        assert search.read_search_number(number, kenyan) == number

    run_with_api(world, story)


def test_a_short_code_that_opted_out_gets_no_message_and_can_opt_in_again(world: World) -> None:
    async def story(api: ApiClient) -> None:
        account = world.caller.account
        await world.all(
            "INSERT INTO opt_outs (account_id, number, reason) VALUES (:id, '22384', '') RETURNING id",
            id=account.id,
        )
        sent = await api.http.post(f"{PATH}?skipPhoneValidation=true", json=body(phoneNumbers=["22384"]))
        assert sent.json()["recipients"][0]["error"] == "recipient opted out"
        await opt_outs.remove(world.ctx, account, "22384")
        sent = await api.http.post(f"{PATH}?skipPhoneValidation=true", json=body(phoneNumbers=["22384"]))
        assert sent.json()["recipients"][0]["state"] == "Pending"

    run_with_api(world, story)


def test_a_number_without_a_route_names_its_country_and_the_providers(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await routes.set_table(
            world.ctx, {"rules": [{"countries": ["GB", "-JE"], "ways": [["sim"]]}]}, by="ann"
        )
        channel_islands = {"+447781123456": "Pending", "+447797712345": "Failed"}  # Guernsey, Jersey
        sent = await send(api, phoneNumbers=list(channel_islands))
        assert {one["phoneNumber"]: one["state"] for one in sent["recipients"]} == channel_islands
        kept = await state(api, sent["id"])
        assert kept["recipients"][1]["error"] == (
            "no route to this country: no rule of the route table is for JE"
        )

    run_with_api(world, story)
