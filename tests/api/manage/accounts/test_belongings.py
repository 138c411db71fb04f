"""Senders, templates and opt-outs over the management API."""

import pytest

from dispatcher.domain.messages.status import Status
from tests.api.manage.client import NUMBERS, SHOP, ManagementClient, ids, manage
from tests.world import NUMBER, World

SENDERS, TEMPLATES, OPT_OUTS = f"{SHOP}/senders", f"{SHOP}/templates", f"{SHOP}/opt-outs"


def test_senders_are_added_paged_and_each_name_once(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        made = [world.sender_id]
        for name in ("NEWS", "12345"):
            made.append((await office.post(SENDERS, {"name": name}, status=201))["id"])
        assert ids(await office.walk(SENDERS, limit=2)) == [made[:2], made[2:]]
        await office.refused("POST", SENDERS, 409, json={"name": "NEWS"})
        for wrong in ("", "far too long a name", "é", "a\0"):
            await office.refused("POST", SENDERS, 400, json={"name": wrong})

    manage(world, story)


def test_the_default_passes_from_one_sender_to_the_other(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        news = (await office.post(SENDERS, {"name": "NEWS"}, status=201))["id"]
        changed = await office.ask("PATCH", f"{SENDERS}/{news}", 200, json={"default": True})
        assert changed == {"id": news, "name": "NEWS", "is_default": True, "disabled_at": None}
        senders = (await office.get(SENDERS))["items"]
        assert [(s["name"], s["is_default"]) for s in senders] == [("SHOP", False), ("NEWS", True)]

    manage(world, story)


def test_a_disabled_sender_is_used_no_more_and_an_enabled_one_again(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        path = f"{SENDERS}/{world.sender_id}"
        off = await office.ask("PATCH", path, 200, json={"disabled": True})
        assert off["disabled_at"] is not None
        assert off["is_default"]
        assert (await world.submit()).messages[0].status is Status.NO_SENDER
        await office.refused("PATCH", path, 409, json={"default": True})
        on = await office.ask("PATCH", path, 200, json={"disabled": False, "default": True})
        assert on == {"id": world.sender_id, "name": "SHOP", "is_default": True, "disabled_at": None}
        assert (await world.submit()).messages[0].status is Status.PENDING

    manage(world, story)


def test_a_sender_of_another_account_or_of_none_is_404(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        await world.another_account("bank")
        foreign = (await office.get("/accounts/bank/senders"))["items"][0]["id"]
        for sender_id in (foreign, 99, "x"):
            for change in ({"disabled": True}, {"default": True}):
                await office.refused("PATCH", f"{SENDERS}/{sender_id}", 404, json=change)
        await office.refused("PATCH", f"{SENDERS}/{world.sender_id}", 400, json={})
        await office.refused("PATCH", f"{SENDERS}/{world.sender_id}", 400, json={"default": False})

    manage(world, story)


def test_a_template_lives_from_post_to_delete(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        made = await office.post(TEMPLATES, {"name": "hi", "text": "Hi {{who}}"}, status=201)
        path = f"{TEMPLATES}/{made['id']}"
        assert made["variables"] == ["who"]
        assert await office.get(path) == made
        changed = await office.ask("PUT", path, 200, json={"text": "Bye {{who}} {{when}}"})
        assert changed["variables"] == ["who", "when"]
        preview = await office.post(f"{path}/preview", {"variables": {"who": "Ann", "when": "now"}})
        assert preview == {"text": "Bye Ann now", "segments": 1}
        await office.ask("DELETE", path, 204)
        for method, below in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/preview")):
            await office.refused(method, path + below, 404, json={"text": "x"})

    manage(world, story)


def test_a_preview_names_every_missing_variable(world: World) -> None:
    async def story(office: ManagementClient) -> str:
        made = await office.post(TEMPLATES, {"name": "hi", "text": "{{a}} {{b}}"}, status=201)
        return await office.refused("POST", f"{TEMPLATES}/{made['id']}/preview", 400, json={})

    assert manage(world, story) == "variables is missing: a; variables is missing: b"


def test_templates_are_paged_and_each_name_once(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        made = []
        for name in ("a", "b", "c"):
            made.append((await office.post(TEMPLATES, {"name": name, "text": "x"}, status=201))["id"])
        assert ids(await office.walk(TEMPLATES, limit=2)) == [made[:2], made[2:]]
        await office.refused("POST", TEMPLATES, 409, json={"name": "a", "text": "x"})
        for wrong in ({"name": "", "text": "x"}, {"name": "d", "text": " "}, {"name": "d", "text": "\0"}):
            await office.refused("POST", TEMPLATES, 400, json=wrong)

    manage(world, story)


def test_a_number_opts_out_and_in_again(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        body = {"numbers": [NUMBER, "0712 345 678", NUMBERS[1]], "reason": "by letter"}
        assert await office.post(OPT_OUTS, body, status=201) == {"added": 2}
        assert await office.post(OPT_OUTS, body, status=201) == {"added": 0}
        assert (await world.submit()).messages[0].status is Status.OPTED_OUT
        await office.ask("DELETE", OPT_OUTS, 204, params={"number": NUMBER})
        assert (await world.submit()).messages[0].status is Status.PENDING
        await office.refused("DELETE", OPT_OUTS, 404, params={"number": NUMBER})

    manage(world, story)


def test_opt_outs_are_paged_and_may_be_of_one_sender(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        await office.post(OPT_OUTS, {"numbers": NUMBERS[:2]}, status=201)
        await office.post(OPT_OUTS, {"numbers": NUMBERS[:1], "sender": "SHOP"}, status=201)
        pages = await office.walk(OPT_OUTS, limit=2)
        assert [[(o["number"], o["sender"]) for o in page] for page in pages] == [
            [(NUMBERS[0], None), (NUMBERS[1], None)],
            [(NUMBERS[0], "SHOP")],
        ]
        await office.ask("DELETE", OPT_OUTS, 204, params={"number": NUMBERS[0], "sender": "SHOP"})
        assert len((await office.get(OPT_OUTS))["items"]) == 2

    manage(world, story)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"numbers": []}, 400),
        ({"numbers": [NUMBER, "abc"]}, 400),
        ({"numbers": [NUMBER] * 1001}, 400),
        ({"numbers": [NUMBER], "reason": "\0"}, 400),
        ({"numbers": [NUMBER], "sender": "NOBODY"}, 404),
    ],
)
def test_opt_outs_that_cannot_be_are_refused_whole(
    world: World, body: dict[str, object], status: int
) -> None:
    async def story(office: ManagementClient) -> None:
        await office.refused("POST", OPT_OUTS, status, json=body)
        assert await office.walk(OPT_OUTS) == [[]]

    manage(world, story)


def test_opting_in_needs_a_number(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        await office.refused("DELETE", OPT_OUTS, 400)
        await office.refused("DELETE", OPT_OUTS, 400, params={"number": "abc"})

    manage(world, story)
