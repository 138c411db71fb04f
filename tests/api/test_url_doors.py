"""Callback URLs through every HTTP API that takes one: the same rules, and nothing is stored on a refusal."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import httpx
import pytest

from dispatcher.domain.accounts.account import AccountLimits
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts import accounts, credentials
from dispatcher.service.accounts.credentials import MANAGE
from dispatcher.settings import Settings
from tests.api.client import open_client
from tests.hostile_urls import HOSTILE_URLS
from tests.world import NUMBER, World

Door = Callable[[str], Awaitable[httpx.Response]]
PUBLIC = "https://shop.example/sms"


@asynccontextmanager
async def doors(world: World) -> AsyncIterator[Mapping[str, Door]]:
    """Yield a function for each way in, which posts a valid request with the given URL."""
    account = await accounts.set_limits(world.ctx, world.caller.account, AccountLimits(rate=6000))

    async def secret(kind: CredentialKind, dialect: str) -> tuple[str, str]:
        owner = None if dialect == MANAGE else account
        made = await credentials.create(
            world.ctx, owner, kind, dialect=dialect, name=None if owner else "robot"
        )
        return str(made.name), made.secret

    manage = {"Authorization": f"Bearer {(await secret(CredentialKind.BEARER, MANAGE))[1]}"}
    emsgnow = {"x-api-key": (await secret(CredentialKind.API_KEY, "emsgnow"))[1]}
    smsgate = httpx.BasicAuth(*await secret(CredentialKind.LOGIN, "smsgate"))
    shop = "/manage/v1/accounts/shop"
    async with open_client(world) as http:

        def post(path: str, body: Mapping[str, object], field: str, headers: Mapping[str, str]) -> Door:
            return lambda url: http.post(path, json={**body, field: url}, headers=headers)

        sms = {"to": NUMBER.removeprefix("+"), "from": "SHOP", "message": "Hello"}
        batch = {"recipients": [NUMBER], "text": "Hello"}
        draft = {"name": "spring", "audience": "none", "text": "Hello", "at": world.time.now().isoformat()}
        yield {
            "emsgnow": post("/sms", sms, "callbackUrl", emsgnow),
            "smsgate": lambda url: http.post(
                "/api/3rdparty/v1/webhooks", json={"url": url, "event": "sms:sent"}, auth=smsgate
            ),
            "batches": post(f"{shop}/batches", batch, "callback_url", manage),
            "campaigns": post(f"{shop}/campaigns", draft, "callback_url", manage),
            "webhooks": post(f"{shop}/webhooks", {}, "url", manage),
        }


async def stored(world: World) -> int:
    row = await world.one("SELECT (SELECT count(*) FROM webhooks) + (SELECT count(*) FROM batches) AS rows")
    return int(row.rows)


def test_a_hostile_url_is_refused_by_every_way_in_with_the_reason(world: World) -> None:
    async def story() -> None:
        async with doors(world) as ways:
            for url, reason in HOSTILE_URLS.items():
                for name, door in ways.items():
                    response = await door(url)
                    assert response.status_code in (400, 422), (name, url, response.text)
                    assert reason in str(response.json()), (name, url, response.text)
        assert await stored(world) == 0

    world.run(story)


@pytest.mark.parametrize("url", [PUBLIC, "https://shop.example:8443/", "https://xn--bcher-kva.example./"])
def test_a_public_url_is_accepted_by_every_way_in(world: World, url: str) -> None:
    async def story() -> None:
        async with doors(world) as ways:
            for name, door in ways.items():
                response = await door(url)
                if name == "campaigns":  # its audience is not there: nothing else is wrong
                    assert "callback_url" not in response.text
                else:
                    assert response.status_code in (200, 201, 202), (name, response.text)

    world.run(story)


ALL = {"emsgnow", "smsgate", "batches", "campaigns", "webhooks"}


@pytest.mark.parametrize(
    ("changed", "refusing"),
    [
        ({}, {"smsgate", "webhooks"}),
        ({"callback_private": True}, set()),
        ({"callback_https_only": True}, ALL),
        ({"callback_https_only": True, "callback_private": True}, ALL),
    ],
    ids=["webhooks need https", "in development none does", "all do", "all do in development too"],
)
def test_http_is_refused_where_https_is_needed(
    settings: Settings, changed: Mapping[str, bool], refusing: set[str]
) -> None:
    world = World(settings.model_copy(update=changed))

    async def story() -> set[str]:
        async with doors(world) as ways:
            answers = {name: await door("http://shop.example/") for name, door in ways.items()}
        reason = "must begin with https://, not with http://"
        return {name for name, answer in answers.items() if reason in str(answer.json())}

    assert world.run(story) == refusing
