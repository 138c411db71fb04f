"""Senders, templates and opt-outs over the management API."""

import pytest

from dispatcher.domain.messages.status import Status
from tests.api.manage.client import NUMBERS, SHOP, ManagementClient, ids, run_with_api
from tests.world import NUMBER, World

SENDERS, TEMPLATES, OPT_OUTS = f"{SHOP}/senders", f"{SHOP}/templates", f"{SHOP}/opt-outs"


def test_senders_are_added_paged_and_each_name_once(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        made = [world.sender_id]
        for name in ("NEWS", "12345"):
            made.append((await api.post(SENDERS, {"name": name}, status=201))["id"])
        assert ids(await api.pages(SENDERS, limit=2)) == [made[:2], made[2:]]
        await api.refused("POST", SENDERS, 409, json={"name": "NEWS"})
        for wrong in ("", "far too long a name", "é", "a\0"):
            await api.refused("POST", SENDERS, 400, json={"name": wrong})

    run_with_api(world, story)


def test_the_default_passes_from_one_sender_to_the_other(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        news = (await api.post(SENDERS, {"name": "NEWS"}, status=201))["id"]
        changed = await api.request("PATCH", f"{SENDERS}/{news}", 200, json={"default": True})
        assert changed == {"id": news, "name": "NEWS", "is_default": True, "disabled_at": None}
        senders = (await api.get(SENDERS))["items"]
        assert [(s["name"], s["is_default"]) for s in senders] == [("SHOP", False), ("NEWS", True)]

    run_with_api(world, story)


def test_a_disabled_sender_is_used_no_more_and_an_enabled_one_again(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        path = f"{SENDERS}/{world.sender_id}"
        off = await api.request("PATCH", path, 200, json={"disabled": True})
        assert off["disabled_at"] is not None
        assert off["is_default"]
        assert (await world.submit()).messages[0].status is Status.NO_SENDER
        await api.refused("PATCH", path, 409, json={"default": True})
        on = await api.request("PATCH", path, 200, json={"disabled": False, "default": True})
        assert on == {"id": world.sender_id, "name": "SHOP", "is_default": True, "disabled_at": None}
        assert (await world.submit()).messages[0].status is Status.PENDING

    run_with_api(world, story)


def test_a_sender_of_another_account_or_of_none_is_404(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        await world.another_account("bank")
        foreign = (await api.get("/accounts/bank/senders"))["items"][0]["id"]
        for sender_id in (foreign, 99, "x"):
            for change in ({"disabled": True}, {"default": True}):
                await api.refused("PATCH", f"{SENDERS}/{sender_id}", 404, json=change)
        await api.refused("PATCH", f"{SENDERS}/{world.sender_id}", 400, json={})
        await api.refused("PATCH", f"{SENDERS}/{world.sender_id}", 400, json={"default": False})

    run_with_api(world, story)


def test_a_template_lives_from_post_to_delete(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        made = await api.post(TEMPLATES, {"name": "hi", "text": "Hi {{who}}"}, status=201)
        path = f"{TEMPLATES}/{made['id']}"
        assert made["variables"] == ["who"]
        assert await api.get(path) == made
        changed = await api.request("PUT", path, 200, json={"text": "Bye {{who}} {{when}}"})
        assert changed["variables"] == ["who", "when"]
        preview = await api.post(f"{path}/preview", {"variables": {"who": "Ann", "when": "now"}})
        assert preview == {"text": "Bye Ann now", "segments": 1}
        await api.request("DELETE", path, 204)
        for method, below, body in (
            ("GET", "", None),
            ("PUT", "", {"text": "x"}),
            ("DELETE", "", None),
            ("POST", "/preview", {}),
        ):
            await api.refused(method, path + below, 404, json=body)

    run_with_api(world, story)


def test_a_preview_names_every_missing_variable(world: World) -> None:
    async def story(api: ManagementClient) -> str:
        made = await api.post(TEMPLATES, {"name": "hi", "text": "{{a}} {{b}}"}, status=201)
        return await api.refused("POST", f"{TEMPLATES}/{made['id']}/preview", 400, json={})

    assert run_with_api(world, story) == "variables is missing: a; variables is missing: b"


def test_templates_are_paged_and_each_name_once(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        made = []
        for name in ("a", "b", "c"):
            made.append((await api.post(TEMPLATES, {"name": name, "text": "x"}, status=201))["id"])
        assert ids(await api.pages(TEMPLATES, limit=2)) == [made[:2], made[2:]]
        await api.refused("POST", TEMPLATES, 409, json={"name": "a", "text": "x"})
        for wrong in ({"name": "", "text": "x"}, {"name": "d", "text": " "}, {"name": "d", "text": "\0"}):
            await api.refused("POST", TEMPLATES, 400, json=wrong)

    run_with_api(world, story)


def test_a_number_opts_out_and_in_again(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        body = {"numbers": [NUMBER, "0712 345 678", NUMBERS[1]], "reason": "by letter"}
        assert await api.post(OPT_OUTS, body, status=201) == {"added": 2}
        assert await api.post(OPT_OUTS, body, status=201) == {"added": 0}
        assert (await world.submit()).messages[0].status is Status.OPTED_OUT
        await api.request("DELETE", OPT_OUTS, 204, params={"number": NUMBER})
        assert (await world.submit()).messages[0].status is Status.PENDING
        await api.refused("DELETE", OPT_OUTS, 404, params={"number": NUMBER})

    run_with_api(world, story)


def test_opt_outs_are_paged_and_may_be_of_one_sender(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        await api.post(OPT_OUTS, {"numbers": NUMBERS[:2]}, status=201)
        await api.post(OPT_OUTS, {"numbers": NUMBERS[:1], "sender": "SHOP"}, status=201)
        pages = await api.pages(OPT_OUTS, limit=2)
        assert [[(o["number"], o["sender"]) for o in page] for page in pages] == [
            [(NUMBERS[0], None), (NUMBERS[1], None)],
            [(NUMBERS[0], "SHOP")],
        ]
        await api.request("DELETE", OPT_OUTS, 204, params={"number": NUMBERS[0], "sender": "SHOP"})
        assert len((await api.get(OPT_OUTS))["items"]) == 2

    run_with_api(world, story)


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
def test_invalid_opt_outs_are_refused_as_a_whole(world: World, body: dict[str, object], status: int) -> None:
    async def story(api: ManagementClient) -> None:
        await api.refused("POST", OPT_OUTS, status, json=body)
        assert await api.pages(OPT_OUTS) == [[]]

    run_with_api(world, story)


def test_opting_in_needs_a_number(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        await api.refused("DELETE", OPT_OUTS, 400)
        await api.refused("DELETE", OPT_OUTS, 400, params={"number": "abc"})

    run_with_api(world, story)
