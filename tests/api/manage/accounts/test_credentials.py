"""Credentials of accounts, and of operators, over the management API."""

from datetime import datetime, timedelta
from itertools import product

import pytest

from dispatcher.api.app import DIALECTS
from dispatcher.api.manage.accounts.credentials import KINDS, DialectName, KindName
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.domain.errors import NotAuthenticated
from dispatcher.service.accounts import credentials, operators
from tests.api.manage.client import SHOP, ManagementClient, ids, run_with_api
from tests.world import World

PATH = f"{SHOP}/credentials"
GOOD = [(dialect, kind) for dialect, kinds in KINDS.items() for kind in kinds]


def test_there_is_a_kind_for_each_dialect() -> None:
    assert {dialect.value for dialect in KINDS} == {dialect.name for dialect in DIALECTS}
    assert {kind for _, kind in GOOD} == set(KindName)


@pytest.mark.parametrize(("dialect", "kind"), GOOD)
def test_a_credential_is_accepted_until_it_is_revoked(
    world: World, dialect: DialectName, kind: KindName
) -> None:
    async def story(api: ManagementClient) -> None:
        made = await api.post(PATH, {"dialect": dialect, "kind": kind, "test": True}, status=201)
        known = CredentialKind(kind)
        assert (made["name"] is not None) == known.has_name

        async def holder() -> bool:
            if known.has_name:
                name = made["name"]
                caller = await credentials.by_pair(world.ctx, known, name, made["secret"], dialect=dialect)
            else:
                caller = await credentials.by_secret(world.ctx, known, made["secret"], dialect=dialect)
            return caller.account.name == "shop" and caller.is_test

        assert await holder()
        await api.request("DELETE", f"{PATH}/{made['id']}", 204)
        with pytest.raises(NotAuthenticated):
            await holder()
        await api.refused("DELETE", f"{PATH}/{made['id']}", 404)

    run_with_api(world, story)


def test_a_kind_that_a_dialect_does_not_have_is_400(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        for dialect, kind in product(DialectName, KindName):
            if kind not in KINDS[dialect]:
                await api.refused("POST", PATH, 400, json={"dialect": dialect, "kind": kind})
        detail = await api.refused("POST", PATH, 400, json={"dialect": "formpost", "kind": "app"})
        assert detail == "formpost has no credentials of the kind app: choose user or api_key"
        assert await api.pages(PATH) == [[]]

    run_with_api(world, story)


@pytest.mark.parametrize(
    "wrong",
    [
        {"dialect": "manage"},
        {"kind": "console"},
        {"validity_days": 0},
        {"validity_days": 36_501},
        {"name": "a:b"},
        {"name": "a\0b"},
    ],
)
def test_an_invalid_credential_is_400(world: World, wrong: dict[str, object]) -> None:
    async def story(api: ManagementClient) -> None:
        await api.refused("POST", PATH, 400, json={"dialect": "smsgate", "kind": "login", **wrong})

    run_with_api(world, story)


def test_a_secret_is_shown_once_and_no_key_brings_it_back(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        body = {"dialect": "scheduler", "kind": "bearer", "validity_days": 2}
        headers = {"Idempotency-Key": "same"}
        first, second = [
            await api.http.post(f"/manage/v1{PATH}", json=body, headers=headers) for _ in range(2)
        ]
        assert first.headers["cache-control"] == "no-store"
        assert first.json()["secret"] != second.json()["secret"]
        assert await world.all("SELECT * FROM idempotency_keys") == []
        expires_at = datetime.fromisoformat(first.json()["expires_at"])
        assert expires_at == world.time.now() + timedelta(days=2)
        listed = await api.http.get(f"/manage/v1{PATH}")
        assert first.json()["secret"] not in listed.text
        assert listed.json()["items"][0]["hint"] == first.json()["secret"][:12]

    run_with_api(world, story)


def test_a_name_that_is_taken_is_409(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        body = {"dialect": "smsgate", "kind": "login", "name": "till-1"}
        await api.post(PATH, body, status=201)
        assert await api.refused("POST", PATH, 409, json=body) == "the name 'till-1' is taken"

    run_with_api(world, story)


def test_credentials_are_paged_and_stay_with_their_account(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        await world.another_account("bank")
        body = {"dialect": "emsgnow", "kind": "api_key"}
        made = [(await api.post(PATH, body, status=201))["id"] for _ in range(3)]
        foreign = await api.post("/accounts/bank/credentials", body, status=201)
        assert ids(await api.pages(PATH, limit=2)) == [made[:2], made[2:]]
        await api.refused("DELETE", f"{PATH}/{foreign['id']}", 404)
        await api.refused("DELETE", f"{PATH}/x", 404)

    run_with_api(world, story)


def test_an_operators_token_and_login_are_accepted_until_they_are_revoked(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        token = await api.post("/operators", {"kind": "token", "validity_days": 1}, status=201)
        password = "correct horse battery"
        login = await api.post(
            "/operators", {"kind": "login", "name": "ann", "password": password}, status=201
        )
        assert login == {
            "id": login["id"],
            "kind": "login",
            "name": "ann",
            "secret": None,
            "expires_at": None,
        }
        assert (await operators.by_token(world.ctx, token["secret"])).credential_id == token["id"]
        assert (await operators.by_password(world.ctx, "ann", password)).name == "ann"
        pages = await api.pages("/operators", limit=2)
        assert [[(o["kind"], o["name"]) for o in page] for page in pages] == [
            [("token", "robot"), ("token", None)],
            [("login", "ann")],
        ]
        for made in (token, login):
            await api.request("DELETE", f"/operators/{made['id']}", 204)
            await api.refused("DELETE", f"/operators/{made['id']}", 404)
        with pytest.raises(NotAuthenticated):
            await operators.by_token(world.ctx, token["secret"])
        with pytest.raises(NotAuthenticated):
            await operators.by_password(world.ctx, "ann", password)

    run_with_api(world, story)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"kind": "key"},
        {"kind": "login", "name": "ann"},
        {"kind": "login", "name": "ann", "password": "too short"},
        {"kind": "login", "name": "a:b", "password": "long enough it is"},
        {"kind": "token", "validity_days": 0},
    ],
)
def test_an_invalid_operator_is_400(world: World, wrong: dict[str, object]) -> None:
    async def story(api: ManagementClient) -> str:
        return await api.refused("POST", "/operators", 400, json=wrong)

    assert "too short" not in run_with_api(world, story)


def test_an_operators_name_that_is_taken_is_409(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        await api.refused("POST", "/operators", 409, json={"kind": "token", "name": "robot"})

    run_with_api(world, story)


def test_an_accounts_credential_is_no_operators_to_revoke(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        made = await api.post(PATH, {"dialect": "scheduler", "kind": "bearer"}, status=201)
        await api.refused("DELETE", f"/operators/{made['id']}", 404)

    run_with_api(world, story)
