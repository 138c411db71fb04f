"""Campaigns over the management API: planned with all faults at once, changed, moved, and followed."""

import csv
import io
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from dispatcher.service.campaigns.launch import launch
from tests.api.client import Body
from tests.api.manage.client import NUMBERS, PREFIX, SHOP, ManagementClient, run_with_api
from tests.campaign import launch_and_send_all
from tests.world import World

CAMPAIGNS = f"{SHOP}/campaigns"
NEVER = "00000000-0000-0000-0000-000000000000"


async def create(api: ManagementClient, *, status: int = 201, **more: Any) -> Body:
    """Create a campaign for the audience `customers`, which is imported for the first one."""
    if not (await api.get(f"{SHOP}/audiences"))["items"]:
        file = "\n".join(["to,name", *(f"{number},Ada" for number in NUMBERS)])
        await api.request(
            "POST", f"{SHOP}/audiences", 201, content=file.encode(), params={"audience": "customers"}
        )
    if "cron" not in more:
        more.setdefault("at", api.world.time.now().isoformat())
    body = {"name": "spring", "audience": "customers", "text": "Hi {{name}}", **more}
    return await api.post(CAMPAIGNS, body, status=status)


def test_a_campaign_is_created_shown_and_listed(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        made = await create(
            api,
            cron="0 9 * * mon",
            timezone="Europe/Paris",
            first_day="2027-07-01",
            spread_seconds=10_800,
            hours={"mon-sat": ["08:00-20:00"]},
            max_cost=50,
        )
        wanted = {
            "name": "spring", "state": "draft", "audience": "customers", "recipients": 3, "sender": "SHOP",
            "tier": "bulk", "text": "Hi {{name}}", "at": None, "cron": "0 9 * * mon",
            "first_day": "2027-07-01", "spread_seconds": 10_800, "validity_seconds": 259_200,
            "max_cost": 50, "next_due": None,
            "hours": {"mon-sat": ["08:00-20:00"], "holidays": [], "zone": None},
        }  # fmt: skip
        assert {key: made[key] for key in wanted} == wanted
        texts = made.pop("texts")
        assert (texts["first"][0]["text"], texts["segments"]) == ("Hi Ada", {"1": 3})
        assert await api.get(f"{CAMPAIGNS}/{made['id']}") == {**made, "runs": []}
        assert await api.pages(CAMPAIGNS) == [[made]]

    run_with_api(world, story)


def test_the_response_has_the_location_of_the_new_campaign(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        first = await create(api)
        body = {"name": "other", "audience": first["audience"], "text": "x", "at": "2027-01-01T00:00:00Z"}
        response = await api.http.post(PREFIX + CAMPAIGNS, json=body)
        assert response.headers["location"] == f"{PREFIX}{CAMPAIGNS}/{response.json()['id']}"

    run_with_api(world, story)


def test_lists_are_paged(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        for name in ("c", "a", "b"):
            await create(api, name=name)
        pages = await api.pages(CAMPAIGNS, limit=2)
        assert [[one["name"] for one in page] for page in pages] == [["c", "a"], ["b"]]

    run_with_api(world, story)


def test_all_faults_of_a_plan_are_reported_together_each_with_its_field(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        body = {"name": "x", "audience": "nobody", "text": "Hi", "sender": "NONE", "hours": {}, "max_cost": 0}
        response = await api.http.post(PREFIX + CAMPAIGNS, json=body)
        assert (response.status_code, response.headers["content-type"]) == (400, "application/problem+json")
        problem = response.json()
        assert {fault["field"]: fault["detail"] for fault in problem["faults"]} == {
            "audience": "account 'shop' has no audience 'nobody' (there is none)",
            "sender": "account 'shop' has no sender 'NONE' that may be used (there is: SHOP)",
            "at": 'say when: either once, "at" a time, or again and again by "cron"',
            "hours": 'no day has hours; name at least one, like {"mon-fri": ["08:00-20:00"]}',
            "max_cost": "is at least 1 credit; leave it out for no maximum",
        }
        assert (
            "audience: account 'shop' has no audience 'nobody' (there is none); sender: " in problem["detail"]
        )
        assert await api.pages(CAMPAIGNS) == [[]]

    run_with_api(world, story)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": 7}, {"audience": None}, {"at": "2027-01-01T00:00:00"}, {"spread_seconds": 0},
        {"per_second": "5"}, {"per_second": 1e10}, {"validity_seconds": 10**9}, {"hours": {"mon": "09:00"}},
        {"tier": "fast"}, {"first_day": "2027-01-01"}, {"max_cost": 2**70},
        {"text": "a\0b"}, {"timezone": "Mars/Base"},
    ],
)  # fmt: skip
def test_a_wrong_field_is_400_and_nothing_is_stored(world: World, wrong: Body) -> None:
    async def story(api: ManagementClient) -> None:
        await create(api, status=400, **wrong)
        assert await api.pages(CAMPAIGNS) == [[]]

    run_with_api(world, story)


def test_a_name_that_is_taken_is_409(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        await create(api)
        other = await create(api, name="other")
        await create(api, status=409)
        path = f"{CAMPAIGNS}/{other['id']}"
        assert "already has a campaign 'spring'" in await api.refused(
            "PATCH", path, 409, json={"name": "spring"}
        )

    run_with_api(world, story)


def test_in_a_draft_a_field_that_is_left_out_stays_and_null_removes_it(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        made = await create(api, spread_seconds=60, max_cost=50, validity_seconds=3600)
        del made["texts"]
        path = f"{CAMPAIGNS}/{made['id']}"
        changed = await api.request(
            "PATCH", path, 200, json={"max_cost": None, "per_second": 2.5, "text": "Bye"}
        )
        assert changed == {**made, "max_cost": None, "spread_seconds": None, "per_second": 2.5, "text": "Bye"}
        by_cron = await api.request("PATCH", path, 200, json={"cron": "0 9 * * *", "last_day": "2030-01-01"})
        assert (by_cron["at"], by_cron["cron"], by_cron["last_day"]) == (None, "0 9 * * *", "2030-01-01")
        once = await api.request("PATCH", path, 200, json={"at": "2027-01-01T00:00:00Z"})
        assert (once["at"], once["cron"], once["last_day"]) == ("2027-01-01T00:00:00Z", None, None)
        assert await api.request("PATCH", path, 200, json={}) == once

    run_with_api(world, story)


def test_only_a_draft_is_changed(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        made = await create(api, start=True)
        assert made["state"] == "active"
        result = await api.refused("PATCH", f"{CAMPAIGNS}/{made['id']}", 409, json={"text": "Bye"})
        assert result.startswith("campaign 'spring' is active; only a draft can be changed")

    run_with_api(world, story)


def test_a_campaign_goes_through_its_states(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        path = f"{CAMPAIGNS}/{(await create(api, at='2027-01-01T00:00:00Z'))['id']}"
        await api.refused("POST", f"{path}/pause", 409)
        for move, state in (("start", "active"), ("pause", "paused"), ("resume", "active")):
            assert (await api.post(f"{path}/{move}"))["state"] == state
        ended = await api.post(f"{path}/cancel")
        assert (ended["state"], ended["withdrawn"], ended["out"]) == ("cancelled", 0, 0)
        await api.refused("POST", f"{path}/resume", 409)

    run_with_api(world, story)


@pytest.mark.parametrize("campaign", [NEVER, "spring"])
def test_an_unknown_campaign_is_404(world: World, campaign: str) -> None:
    async def story(api: ManagementClient) -> None:
        path = f"{CAMPAIGNS}/{campaign}"
        await api.refused("GET", path, 404)
        await api.refused("PATCH", path, 404, json={})
        for move in ("start", "pause", "resume", "cancel"):
            await api.refused("POST", f"{path}/{move}", 404)

    run_with_api(world, story)


def test_from_a_plan_to_the_last_message_sent(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        made = await create(api, start=True)
        await launch_and_send_all(world)
        found = await api.get(f"{CAMPAIGNS}/{made['id']}")
        assert found["state"] == "finished"
        [run] = found["runs"]
        wanted = {
            "state": "finished", "recipients": 3, "done": 3, "messages": 3, "left_out": 0, "cost": 3,
            "statuses": {"sent": 3}, "released_at": None, "through_at": None, "limit": "",
        }  # fmt: skip
        assert {key: run[key] for key in wanted} == wanted
        batch = await api.get(f"/batches/{run['batch_id']}")
        assert batch["counts"] == {"sent": 3}
        assert sorted(message.to for message in world.sim.seen) == NUMBERS

    run_with_api(world, story)


def test_results_are_downloaded_as_a_csv_file(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        made = await create(api, start=True)
        await launch_and_send_all(world)
        response = await api.http.get(f"{PREFIX}{CAMPAIGNS}/{made['id']}/results")
        assert response.headers["content-type"] == "text/csv; charset=utf-8"
        assert response.headers["content-disposition"] == "attachment; filename*=UTF-8''spring-results.csv"
        found = list(csv.DictReader(io.StringIO(response.text.removeprefix("\ufeff"))))
        assert [(row["number"], row["status"], row["credits"]) for row in found] == [
            (f"'{number}", "sent", "1") for number in NUMBERS
        ]
        await api.refused("GET", f"{CAMPAIGNS}/{uuid4()}/results", 404)

    run_with_api(world, story)


def test_an_open_run_has_a_forecast_and_its_limit(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        made = await create(api, spread_seconds=7200, start=True)
        await launch(world.ctx)
        [run] = (await api.get(f"{CAMPAIGNS}/{made['id']}"))["runs"]
        last = world.time.now() + timedelta(seconds=4800)
        assert run["through_at"] == run["released_at"] == last.isoformat().replace("+00:00", "Z")
        assert run["limit"].startswith("Its pacing is the limit")

    run_with_api(world, story)


def test_runs_are_shown_the_last_one_first_up_to_those_before_a_time(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        path = f"{CAMPAIGNS}/{(await create(api, cron='0 * * * *', start=True))['id']}"
        for _ in range(3):
            world.time.advance(timedelta(hours=1))
            await launch(world.ctx)
        dues = [run["due_at"] for run in (await api.get(path))["runs"]]
        assert dues == sorted(dues, reverse=True)
        assert len(dues) == 3
        assert [run["due_at"] for run in (await api.get(path, runs=1))["runs"]] == dues[:1]
        assert [run["due_at"] for run in (await api.get(path, before=dues[1]))["runs"]] == dues[2:]

    run_with_api(world, story)


def test_the_text_of_a_running_campaign_is_changed_and_each_recipient_counted(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        made = await create(api, spread_seconds=3600, start=True)
        await launch(world.ctx)
        path = f"{CAMPAIGNS}/{made['id']}/text"
        counts = await api.post(path, {"text": "Dear {{name}}", "dry_run": True})
        assert counts == {
            "changed": 1, "to_come": 2, "too_late": 0, "late": {}, "unchanged": 0, "reasons": {},
            "left_out": {}, "not_reached": 0, "refunded": 0, "charged": 0, "next_run": None, "dry_run": True,
        }  # fmt: skip
        assert await api.post(path, {"text": "Dear {{name}}"}) == counts | {"dry_run": False}
        assert (await api.get(f"{CAMPAIGNS}/{made['id']}"))["text"] == "Dear {{name}}"
        template = await api.post(f"{SHOP}/templates", {"name": "t", "text": "Hey {{name}}"}, status=201)
        assert (await api.post(path, {"template_id": template["id"]}))["changed"] == 1
        selection = {"account": "shop", "campaign": "spring"}
        body = {"selection": selection, "change": {"kind": "text", "text": "Yes {{name}}"}}
        assert (await api.post("/messages/edits", body))["to_come"] == 2
        problem = await api.post(path, {"text": "Hi {{nick}}"}, status=400)
        assert problem["faults"] == [
            {"field": "text", "detail": "names nick, which the audience has no column for; it has name"}
        ]
        for wrong in ({}, {"text": "a", "template_id": "b"}):
            assert "one of them" in (await api.post(path, wrong, status=400))["detail"]
        refused = await api.request("PATCH", f"{CAMPAIGNS}/{made['id']}", 409, json={"text": "x"})
        assert "/text" in refused["detail"]
        await api.post(f"{CAMPAIGNS}/{made['id']}/cancel", {})
        await api.post(path, {"text": "x"}, status=409)

    run_with_api(world, story)
