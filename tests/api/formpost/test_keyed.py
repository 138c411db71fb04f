"""v2 takes a key and more fields, by its document (002) and docs/dialects/formpost.md."""

from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.domain.accounts.account import AccountLimits
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts, opt_outs
from tests.api.formpost.client import (
    BALANCE,
    KENYANS,
    KEYS,
    SAMPLE,
    V2,
    FormpostClient,
    new_key,
    run_with_api,
)
from tests.world import World

_REQUIRED = {"error": "API key is required", "help": "Provide X-API-Key header or api_key parameter"}


@pytest.mark.parametrize(("method", "path"), [("GET", V2), ("POST", V2), ("GET", BALANCE)])
def test_a_missing_key_is_401_with_help_and_the_documented_headers(
    world: World, method: str, path: str
) -> None:
    async def story(api: FormpostClient) -> None:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        for shown in ({}, {"X-API-Key": ""}):
            response = await api.http.request(method, path, headers=headers | shown)
            assert (response.status_code, response.json()) == (401, _REQUIRED)
            assert response.headers["cache-control"] == "no-cache, private"
            assert response.headers["content-type"] == "application/json"
            assert response.headers["access-control-allow-origin"] == "*"
            assert response.headers["x-ratelimit-limit"] == "60"
            assert "x-ratelimit-reset" not in response.headers

    run_with_api(world, story)


@pytest.mark.parametrize("key", ["wrong", "sms_x", "\xff"])
def test_an_unknown_key_is_401_without_help(world: World, key: str) -> None:
    async def story(api: FormpostClient) -> None:
        for response in (
            await api.http.post(V2, headers=[(b"X-API-Key", key.encode("latin-1"))]),
            await api.http.get(V2, params={"api_key": key}),
            await api.http.post(V2, json={"api_key": [key]}),
        ):
            assert (response.status_code, response.json()) == (401, {"error": "Invalid API key"})

    run_with_api(world, story)


def test_an_expired_key_is_401_and_says_so(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        made = await new_key(world, validity=timedelta(days=1))
        world.time.advance(timedelta(days=1))
        response = await api.http.get(BALANCE, headers={"X-API-Key": made.secret})
        assert (response.status_code, response.json()) == (401, {"error": "API key has expired"})

    run_with_api(world, story)


def test_the_key_may_be_in_the_header_the_query_or_the_body(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        key = {"api_key": api.key["X-API-Key"]}
        for response in (
            await api.http.post(V2, data=SAMPLE, headers=api.key),
            await api.http.post(V2, data=SAMPLE, params=key),
            await api.http.post(V2, data=SAMPLE | key),
            await api.http.post(V2, json=SAMPLE | key),
            await api.http.get(V2, params=SAMPLE | key),
            await api.http.get(V2, params=SAMPLE, headers=api.key),
        ):
            assert response.status_code == 200, response.text

    run_with_api(world, story)


def test_the_caller_is_authenticated_before_the_body_is_validated(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        for headers, status in [({}, 401), (api.key, 415)]:
            xml = {"Content-Type": "application/xml", **headers}
            assert (await api.http.post(V2, content=b"<a/>", headers=xml)).status_code == status

    run_with_api(world, story)


def test_the_response_has_the_status_of_each_message(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        await opt_outs.add(world.ctx, world.caller.account, [KENYANS[1]])
        answer = (await api.keyed()).json()
        assert list(answer) == [
            "success",
            "message",
            "batch_id",
            "message_ids",
            "recipients",
            "statuses",
        ]
        assert answer["message_ids"] == [str(row.public_id) for row in await api.sent()]
        assert answer["statuses"] == ["processing", "cancelled"]

    run_with_api(world, story)


@pytest.mark.parametrize("numbers", ["numbers", "to", "phone_numbers"])
@pytest.mark.parametrize("text", ["message_body", "message", "text"])
def test_numbers_and_text_have_three_names_each(world: World, numbers: str, text: str) -> None:
    async def story(api: FormpostClient) -> None:
        fields = {numbers: ["0701234567", "0712345678"], text: "Hello"}
        response = await api.http.post(V2, json=fields, headers=api.key)
        assert response.json()["recipients"] == 2

    run_with_api(world, story)


def test_a_form_may_list_numbers_as_php_does(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        for name in ("to[]=0701234567", "to[0]=0701234567&to[1]=0712345678"):
            response = await api.http.get(f"{V2}?{name}&text=Hello", headers=api.key)
            assert response.status_code == 200

    run_with_api(world, story)


def test_a_sender_is_named_by_its_number_or_its_name(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        shop = await accounts.add_sender(world.ctx, world.caller.account, "BOOKS")
        code = await accounts.add_sender(world.ctx, world.caller.account, "22141")
        named: list[tuple[dict[str, object], int]] = [
            ({}, world.sender_id),
            ({"sender_id": shop}, shop),
            ({"sender_id": str(shop)}, shop),
            ({"sender_id": "BOOKS"}, shop),
            ({"from": "BOOKS"}, shop),
            ({"from": shop}, shop),
            ({"from": "22141"}, code),
            ({"sender_id": ""}, world.sender_id),
        ]
        for fields, sender in named:
            answer = (await api.keyed(**fields)).json()
            row = await world.one("SELECT * FROM batches WHERE public_id = :id", id=answer["batch_id"])
            assert row.sender_id == sender, fields

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("given", "instant"),
    [
        ("2030-12-25 12:45:59", datetime(2030, 12, 25, 9, 45, 59, tzinfo=UTC)),
        ("2030-12-25T12:45:59", datetime(2030, 12, 25, 9, 45, 59, tzinfo=UTC)),
        ("2030-12-25T12:45:59Z", datetime(2030, 12, 25, 12, 45, 59, tzinfo=UTC)),
        ("2030-12-25T12:45:59+01:00", datetime(2030, 12, 25, 11, 45, 59, tzinfo=UTC)),
    ],
)
def test_schedule_at_is_a_time_of_the_account_unless_it_has_an_offset(
    world: World, given: str, instant: datetime
) -> None:
    world.time.at = datetime(2030, 1, 1, tzinfo=UTC)

    async def story(api: FormpostClient) -> None:
        await world.all("UPDATE accounts SET timezone = 'Africa/Nairobi'")
        answer = (await api.keyed(schedule_at=given)).json()
        assert answer["statuses"] == ["scheduled", "scheduled"]
        assert (await api.batch()).not_before == instant

    run_with_api(world, story)


def test_a_schedule_in_the_past_means_now(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        answer = (await api.keyed(schedule_at="2020-12-25 12:45:59")).json()
        assert answer["statuses"] == ["processing", "processing"]

    run_with_api(world, story)


@pytest.mark.parametrize("tier", ["critical", "standard", "bulk"])
def test_type_is_the_tier(world: World, tier: str) -> None:
    async def story(api: FormpostClient) -> None:
        assert (await api.keyed(type=tier)).status_code == 200
        assert (await api.batch()).tier == tier

    run_with_api(world, story)


@pytest.mark.parametrize(("numbers", "tier"), [(200, "standard"), (201, "bulk")])
def test_without_a_type_it_is_standard_and_bulk_above_200_numbers(
    world: World, numbers: int, tier: str
) -> None:
    async def story(api: FormpostClient) -> None:
        assert (await api.keyed(numbers=["0701234567"] * numbers)).status_code == 200
        assert (await api.batch()).tier == tier

    run_with_api(world, story)


def test_an_account_may_be_capped_to_a_tier(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        await accounts.set_limits(world.ctx, world.caller.account, AccountLimits(tier=Tier.STANDARD))
        assert (await api.keyed(type="critical")).status_code == 200
        assert (await api.batch()).tier == "standard"

    run_with_api(world, story)


def test_the_balance_is_in_credits_and_falls_with_each_message(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        before = await api.http.get(BALANCE, headers=api.key)
        await api.keyed()
        after = await api.http.get(BALANCE, headers=api.key)
        assert before.json() == {"balance": 100, "currency": "credits"}
        assert after.json() == {"balance": 98, "currency": "credits"}

    run_with_api(world, story, credits=100)


def test_without_credit_it_is_402_and_nothing_is_stored(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        response = await api.keyed()
        assert (response.status_code, response.json()) == (402, {"error": "Insufficient credits"})
        assert await api.kept() == 0

    run_with_api(world, story, credits=1)


def test_a_paused_account_is_403_and_may_still_see_its_balance(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        await world.all("UPDATE accounts SET paused_at = now()")
        response = await api.keyed()
        assert (response.status_code, response.json()) == (403, {"error": "Account 'shop' is paused"})
        assert (await api.http.get(BALANCE, headers=api.key)).status_code == 200

    run_with_api(world, story)


def test_keys_are_not_under_v2(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        for path in KEYS:
            response = await api.http.post(path.replace("/api/", "/api/v2/"), headers=api.key)
            assert response.status_code == 404

    run_with_api(world, story)
