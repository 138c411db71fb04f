"""Batches over the management API: submission, list, counts, cancellation."""

import hashlib
import json
from datetime import timedelta
from uuid import UUID

import pytest

from dispatcher.domain.messages.status import Status
from dispatcher.service.accounts import accounts, opt_outs
from tests.api.client import Body
from tests.api.manage.client import NUMBERS, SHOP, ManagementClient, assert_problem, ids, run_with_api
from tests.world import NUMBER, World

PATH = f"{SHOP}/batches"
BATCH: Body = {"recipients": [NUMBER], "text": "Hello"}
HOUR = timedelta(hours=1)


def test_a_batch_is_accepted_with_all_that_a_submission_knows(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        await accounts.add_sender(world.ctx, world.caller.account, "NEWS")
        start, end = world.time.now() + HOUR, world.time.now() + 2 * HOUR
        response = await api.http.post(
            f"/manage/v1{PATH}",
            json={
                "recipients": [NUMBER, "0712 345 678", "no number"],
                "text": "Été",
                "tier": "bulk",
                "sender": "NEWS",
                "not_before": start.isoformat(),
                "not_after": end.isoformat(),
                "strip_diacritics": True,
                "stop_mention": True,
                "invalid_numbers": "skip",
                "repeats": "collapse",
                "external_id": "run-1",
                "client_id": "order-7",
                "callback_url": "https://shop.example/sms",
            },
        )
        assert response.status_code == 201, response.text
        accepted = response.json()
        assert response.headers["location"] == f"/manage/v1/batches/{accepted['public_id']}"
        assert (accepted["skipped"], accepted["charged"], accepted["tier"]) == (1, 1, "bulk")
        [message] = accepted["messages"]
        assert (message["number"], message["status"], message["code"]) == (NUMBER, "scheduled", 10)
        row = await world.row(message["id"])
        assert row.text == "Ete\nSTOP: reply STOP"
        assert (row.not_before, row.not_after) == (start, end)
        found = await api.get(f"/batches/{accepted['id']}")
        assert found["batch"].items() >= {
            "account": "shop", "dialect": "manage", "sender": "NEWS", "external_id": "run-1",
            "client_id": "order-7", "callback_url": "https://shop.example/sms", "template_id": None,
        }.items()  # fmt: skip
        assert len(await world.all("SELECT 1 FROM callbacks WHERE dialect = 'manage'")) == 1

    run_with_api(world, story)


def test_a_template_is_filled_in_and_a_sender_may_be_named_by_its_number(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        template = await api.post(f"{SHOP}/templates", {"name": "hi", "text": "Hi {{who}}"}, status=201)
        body = {"recipients": [NUMBER], "template_id": template["id"], "variables": {"who": "Ann"}}
        accepted = await api.post(PATH, body | {"sender": world.sender_id}, status=201)
        assert (await world.row(accepted["messages"][0]["id"])).text == "Hi Ann"
        found = await api.get(f"/batches/{accepted['public_id']}")
        assert found["batch"]["template_id"] == template["id"]

    run_with_api(world, story)


@pytest.mark.parametrize(
    "wrong",
    [
        {"recipients": []},
        {"recipients": ["abc"]},
        {"recipients": NUMBER},
        {"text": ""},
        {"text": None},
        {"template_id": "x"},
        {"text": None, "template_id": "x"},
        {"text": "a\0"},
        {"sender": "NOBODY"},
        {"sender": 10**30},
        {"sender": True},
        {"tier": "urgent"},
        {"not_before": "2030-01-01T00:00:00"},
        {"not_after": "2020-01-01T00:00:00Z"},
        {"not_after": "9999-12-31T23:59:59-14:00"},
        {"callback_url": "http://127.0.0.1/"},
        {"external_id": ""},
        {"client_id": "x" * 201},
    ],
)
def test_a_batch_with_a_fault_is_400_and_nothing_is_stored(world: World, wrong: Body) -> None:
    async def story(api: ManagementClient) -> None:
        await api.refused("POST", PATH, 400, json=BATCH | wrong)
        assert await world.all("SELECT 1 FROM batches") == []

    run_with_api(world, story)


def test_all_faults_of_a_submission_are_reported_together(world: World) -> None:
    async def story(api: ManagementClient) -> str:
        body = {"recipients": ["abc", NUMBER], "text": " ", "sender": "NOBODY"}
        return await api.refused("POST", PATH, 400, json=body)

    detail = run_with_api(world, story)
    assert detail.split("; ") == [
        "recipients is not a phone number: abc (it must be digits, with a + before a country code)",
        "text is empty:  ",
        "sender_id is not a sender of this account: NOBODY (there is: SHOP)",
    ]


def test_without_credit_it_is_402_or_25_as_requested(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        await api.refused("POST", PATH, 402, json=BATCH)
        accepted = await api.post(PATH, BATCH | {"without_credit": "keep"}, status=201)
        assert accepted["messages"][0]["status"] == "no_credit"

    run_with_api(world, story, credits=0)


def test_the_same_key_gives_the_same_response_and_sends_once(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        key = {"Idempotency-Key": "k1"}
        first = await api.http.post(f"/manage/v1{PATH}", json=BATCH, headers=key)
        again = await api.http.post(f"/manage/v1{PATH}", json=BATCH, headers=key)
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.content == again.content
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers["location"] == first.headers["location"]
        other = await api.http.post(f"/manage/v1{PATH}", json=BATCH | {"text": "Bye"}, headers=key)
        assert_problem(other, 422)
        assert len(await world.all("SELECT 1 FROM messages")) == 1
        bad = await api.http.post(f"/manage/v1{PATH}", json=BATCH, headers={"Idempotency-Key": "a b"})
        assert_problem(bad, 400)

    run_with_api(world, story)


def test_the_same_json_in_another_order_is_the_same_request(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        key = {"Idempotency-Key": "k1"}
        first = await api.http.post(f"/manage/v1{PATH}", json=BATCH, headers=key)
        other = json.dumps(dict(reversed(BATCH.items())), indent=2).encode()
        again = await api.http.post(f"/manage/v1{PATH}", content=other, headers=key)
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["idempotent-replayed"] == "true"

    run_with_api(world, story)


def test_a_key_that_an_earlier_version_stored_is_still_known(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        path, key = f"/manage/v1{PATH}", {"Idempotency-Key": "k1"}
        body = json.dumps(BATCH, indent=2).encode()
        first = await api.http.post(path, content=body, headers=key)
        exact = hashlib.sha256(f"POST\n{path}\n\n".encode() + body).digest()
        await world.all("UPDATE idempotency_keys SET fingerprint = :exact", exact=exact)
        assert (await api.http.post(path, content=body, headers=key)).content == first.content

    run_with_api(world, story)


def test_an_external_id_that_is_taken_is_409(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        await api.post(PATH, BATCH | {"external_id": "run-1"}, status=201)
        await api.refused("POST", PATH, 409, json=BATCH | {"external_id": "run-1"})

    run_with_api(world, story)


def test_batches_of_all_dialects_come_the_newest_first_page_by_page(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        bank = await world.another_account("bank")
        made = [(await world.submit()).id, (await world.submit()).id]
        foreign = (await world.submit(caller=bank)).id
        made.append((await api.post(PATH, BATCH, status=201))["id"])
        newest = made[::-1]
        assert ids(await api.pages(PATH, limit=2)) == [newest[:2], newest[2:]]
        assert ids(await api.pages(PATH, limit=3)) == [newest]
        assert ids(await api.pages("/accounts/bank/batches")) == [[foreign]]

    run_with_api(world, story)


def test_a_batch_is_counted_by_status_and_its_open_messages_are_cancelled(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        await opt_outs.add(world.ctx, world.caller.account, [NUMBERS[2]])
        batch = await world.submit(NUMBERS, after=HOUR)
        path = f"/batches/{batch.public_id}"
        found = await api.get(path)
        assert (found["total"], found["counts"]) == (3, {"scheduled": 2, "opted_out": 1})
        assert UUID(found["batch"]["public_id"]) == batch.public_id
        assert await api.post(f"{path}/cancel") == {"cancelled": 2}
        assert await api.post(f"{path}/cancel") == {"cancelled": 0}
        assert (await api.get(path))["counts"] == {"opted_out": 1, "withdrawn": 2}
        assert (await world.row(batch.messages[0].id)).status == Status.WITHDRAWN
        assert await world.balance() == 10_000

    run_with_api(world, story)


@pytest.mark.parametrize("name", ["99", "x", "26ffdcde-4260-4866-a288-52d04ef512d8"])
def test_an_unknown_batch_is_404(world: World, name: str) -> None:
    async def story(api: ManagementClient) -> None:
        await api.refused("GET", f"/batches/{name}", 404)
        await api.refused("POST", f"/batches/{name}/cancel", 404)

    run_with_api(world, story)


def test_a_bulk_body_is_accepted_up_to_the_bulk_limit(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        room = " " * world.settings.body_limit
        response = await api.http.post(
            f"/manage/v1{PATH}", content=room + '{"recipients": ["+254712345678"], "text": "x"}'
        )
        assert response.status_code == 201, response.text
        assert_problem(await api.http.post("/manage/v1/operators", content=room + "{}"), 413)

    run_with_api(world, story)
