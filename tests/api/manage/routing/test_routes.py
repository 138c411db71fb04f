"""Routes over the management API."""

import json
from datetime import datetime

from tests.api.manage.client import NUMBERS, PREFIX, SHOP, ManagementClient, manage
from tests.world import World

TABLE = {"rules": [{"countries": ["FR"], "ways": []}, {"ways": [{"sim": 2}]}]}


def test_a_table_is_set_under_the_operators_name_and_gone_by(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        assert await office.get("/routes") == {"document": {}, "set_at": None, "set_by": None}
        put = await office.ask("PUT", "/routes", 200, json=TABLE)
        assert (put["document"], put["set_by"], put.pop("warnings")) == (TABLE, "robot", [])
        assert datetime.fromisoformat(put["set_at"]).tzinfo is not None
        assert await office.get("/routes") == put
        numbers = [NUMBERS[0], "+33612345678"]
        batch = await office.post(f"{SHOP}/batches", {"recipients": numbers, "text": "Hello"}, status=201)
        assert [message["code"] for message in batch["messages"]] == [11, 28]

    manage(world, story)


def test_what_is_probably_not_meant_is_told(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        put = await office.ask("PUT", "/routes", 200, json={"rules": TABLE["rules"][:1]})
        assert put["warnings"] == ["no rule matches all messages: those that match none end as 28"]

    manage(world, story)


def test_a_table_that_cannot_be_changes_nothing_and_names_each_fault(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        await office.ask("PUT", "/routes", 200, json=TABLE)
        wrong = {"rules": [{"ways": [["zeta"]], "accounts": ["nobody", "\ud800"]}], "senders": {"\udfff": {}}}
        answer = await office.http.request("PUT", PREFIX + "/routes", content=json.dumps(wrong))
        assert answer.status_code == 400
        assert [fault["field"] for fault in answer.json()["faults"]] == [
            "rule 1, accounts",
            "senders, '\\udfff'",
            "senders, '\\udfff', alphanumeric",
            "rule 1, ways",
            "rule 1, accounts",
        ]
        await office.refused("PUT", "/routes", 400, json=[])
        assert (await office.get("/routes"))["document"] == TABLE

    manage(world, story)


def test_a_message_tells_its_route(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        batch = await office.post(f"{SHOP}/batches", {"recipients": NUMBERS[:1], "text": "Hello"}, status=201)
        await office.ask("PUT", "/routes", 200, json=TABLE)
        told = await office.get(f"/messages/{batch['messages'][0]['id']}")
        assert "Its route is sim, by rule 2 of the routes." in told["explanation"]

    manage(world, story)
