"""Accounts over the management API."""

from datetime import datetime, timedelta

import pytest

from tests.api.manage.client import SHOP, ManagementClient, ids, run_with_api
from tests.world import World

NO_LIMITS = {"rate": None, "daily": None, "tier": None, "countries": None}


def test_an_account_is_made_with_its_credits_and_found_by_name(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        body = {"name": "bank", "credits": 7, "country": "FR", "timezone": "Europe/Paris"}
        made = await api.post("/accounts", body, status=201)
        assert made == await api.get("/accounts/bank")
        assert made == {
            "id": made["id"], "name": "bank", "balance": 7, "country": "FR", "timezone": "Europe/Paris",
            "paused": False, "limits": NO_LIMITS,
        }  # fmt: skip
        detail = await api.refused("POST", "/accounts", 409, json={"name": "bank"})
        assert detail == "there is an account 'bank' already"

    run_with_api(world, story)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a/b"},
        {"name": "a\0b"},
        {"name": 7},
        {"country": "FRA"},
        {"country": "A1"},
        {"timezone": "Nowhere/Land"},
        {"credits": -1},
        {"credits": 10**30},
    ],
)
def test_an_invalid_account_is_400_and_not_created(world: World, wrong: dict[str, object]) -> None:
    async def story(api: ManagementClient) -> None:
        await api.refused("POST", "/accounts", 400, json={"name": "bank", **wrong})
        assert len((await api.get("/accounts"))["items"]) == 1

    run_with_api(world, story)


def test_accounts_are_paged_the_oldest_first_and_the_last_page_has_no_next(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        made = [(await api.get(SHOP))["id"]]
        for name in ("c", "b", "a"):
            made.append((await api.post("/accounts", {"name": name}, status=201))["id"])
        assert ids(await api.pages("/accounts", limit=2)) == [made[:2], made[2:]]
        assert ids(await api.pages("/accounts", limit=3)) == [made[:3], made[3:]]
        assert ids(await api.pages("/accounts")) == [made]

    run_with_api(world, story)


def test_a_limit_left_out_stays_and_null_takes_it_away(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        limits = {"rate": 60, "daily": 1000, "tier": "standard", "countries": ["UG", "KE"]}
        changed = await api.request("PATCH", SHOP, 200, json=limits)
        assert changed["limits"] == limits | {"countries": ["KE", "UG"]}
        await api.request("PATCH", SHOP, 200, json={"rate": None, "daily": 0})
        assert (await api.get(SHOP))["limits"] == {
            "rate": None,
            "daily": 0,
            "tier": "standard",
            "countries": ["KE", "UG"],
        }
        assert (await api.request("PATCH", SHOP, 200, json={}))["limits"]["daily"] == 0

    run_with_api(world, story)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": 0},
        {"rate": 2**31},
        {"daily": -1},
        {"daily": 2**31},
        {"tier": "urgent"},
        {"countries": ["A1"]},
    ],
)
def test_an_invalid_limit_is_400(world: World, wrong: dict[str, object]) -> None:
    async def story(api: ManagementClient) -> None:
        await api.refused("PATCH", SHOP, 400, json=wrong)
        assert (await api.get(SHOP))["limits"] == NO_LIMITS

    run_with_api(world, story)


def test_a_paused_account_submits_nothing_until_it_is_resumed(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        batch = {"recipients": ["+254712345678"], "text": "Hi"}
        assert (await api.post(f"{SHOP}/pause"))["paused"]
        detail = await api.refused("POST", f"{SHOP}/batches", 403, json=batch)
        assert detail == "account 'shop' is paused"
        assert not (await api.post(f"{SHOP}/resume"))["paused"]
        await api.post(f"{SHOP}/batches", batch, status=201)

    run_with_api(world, story)


def test_the_statement_lists_all_changes_of_the_balance_the_newest_first(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        assert await api.post(f"{SHOP}/topups", {"amount": 5, "note": "paid"}, status=201) == {"balance": 105}
        batch = await world.submit()
        pages = await api.pages(f"{SHOP}/statement", limit=2)
        assert [[(e["kind"], e["amount"], e["batch_id"], e["note"]) for e in page] for page in pages] == [
            [("charge", -1, batch.id, ""), ("topup", 5, None, "paid")],
            [("topup", 100, None, "opening balance")],
        ]
        assert await world.balance() == 104

    run_with_api(world, story, credits=100)


@pytest.mark.parametrize("wrong", [{}, {"amount": 0}, {"amount": 10**16}, {"amount": 1, "note": "a\0"}])
def test_a_top_up_of_no_amount_is_400(world: World, wrong: dict[str, object]) -> None:
    async def story(api: ManagementClient) -> None:
        await api.refused("POST", f"{SHOP}/topups", 400, json=wrong)
        assert await world.balance() == 10_000

    run_with_api(world, story)


def test_the_callback_secret_is_rotated_with_an_overlap(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        path = f"{SHOP}/callback-secret"
        first = await api.get(path)
        assert (first["previous"], first["previous_until"]) == (None, None)
        response = await api.http.post(f"/manage/v1{path}/rotate", json={"overlap_seconds": 3600})
        second = response.json()
        assert response.headers["cache-control"] == "no-store"
        assert second["secret"] != second["previous"] == first["secret"]
        assert datetime.fromisoformat(second["previous_until"]) == world.time.now() + timedelta(hours=1)
        assert await api.get(path) == second
        assert "is not over" in await api.refused("POST", f"{path}/rotate", 409, json={})
        third = await api.post(f"{path}/rotate", {"overlap_seconds": 0})
        assert (third["previous"], third["previous_until"]) == (None, None)
        await api.refused("POST", f"{path}/rotate", 400, json={"overlap_seconds": 31 * 86_400})

    run_with_api(world, story)


def test_the_callback_secret_is_shown_and_may_not_be_stored_by_caches(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        assert (await api.get(f"{SHOP}/callback-secret"))["secret"].startswith("whsec_")
        response = await api.http.get(f"/manage/v1{SHOP}/callback-secret")
        assert response.headers["cache-control"] == "no-store"

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/topups"),
        ("GET", "/statement"),
        ("GET", "/callback-secret"),
        ("GET", "/credentials"),
        ("GET", "/senders"),
        ("GET", "/templates"),
        ("GET", "/opt-outs"),
        ("GET", "/batches"),
    ],
)
def test_an_unknown_account_is_404(world: World, method: str, path: str) -> None:
    async def story(api: ManagementClient) -> None:
        detail = await api.refused(method, f"/accounts/nobody{path}", 404, json={"amount": 1})
        assert detail == "there is no account 'nobody' (there is: shop)"

    run_with_api(world, story)
