"""Routes over the management API."""

import json
from datetime import datetime

from tests.api.manage.client import NUMBERS, PREFIX, SHOP, ManagementClient, run_with_api
from tests.world import World

TABLE = {"rules": [{"countries": ["FR"], "ways": []}, {"ways": [{"sim": 2}]}]}


def test_a_table_is_set_with_the_operators_name_and_used(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        assert await api.get("/routes") == {"document": {}, "set_at": None, "set_by": None}
        put = await api.request("PUT", "/routes", 200, json=TABLE)
        assert (put["document"], put["set_by"], put.pop("warnings")) == (TABLE, "robot", [])
        assert datetime.fromisoformat(put["set_at"]).tzinfo is not None
        assert await api.get("/routes") == put
        numbers = [NUMBERS[0], "+33612345678"]
        batch = await api.post(f"{SHOP}/batches", {"recipients": numbers, "text": "Hello"}, status=201)
        assert [message["code"] for message in batch["messages"]] == [11, 28]

    run_with_api(world, story)


def test_a_probable_mistake_is_a_warning(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        put = await api.request("PUT", "/routes", 200, json={"rules": TABLE["rules"][:1]})
        assert put["warnings"] == ["no rule matches all messages: those that match none end as 28"]

    run_with_api(world, story)


def test_an_invalid_table_changes_nothing_and_each_fault_is_listed(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        await api.request("PUT", "/routes", 200, json=TABLE)
        wrong = {"rules": [{"ways": [["zeta"]], "accounts": ["nobody", "\ud800"]}], "senders": {"\udfff": {}}}
        answer = await api.http.request("PUT", PREFIX + "/routes", content=json.dumps(wrong))
        assert answer.status_code == 400
        assert [fault["field"] for fault in answer.json()["faults"]] == [
            "rule 1, accounts",
            "senders, '\\udfff'",
            "senders, '\\udfff', alphanumeric",
            "rule 1, ways",
            "rule 1, accounts",
        ]
        await api.refused("PUT", "/routes", 400, json=[])
        assert (await api.get("/routes"))["document"] == TABLE

    run_with_api(world, story)


def test_a_message_shows_its_route(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        batch = await api.post(f"{SHOP}/batches", {"recipients": NUMBERS[:1], "text": "Hello"}, status=201)
        await api.request("PUT", "/routes", 200, json=TABLE)
        result = await api.get(f"/messages/{batch['messages'][0]['id']}")
        assert "Its route is sim, by rule 2 of the routes." in result["explanation"]

    run_with_api(world, story)
