"""Each sample request of each document, sent as printed, gets the documented answer."""

import asyncio
from base64 import b64encode
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from dispatcher.api.app import DIALECTS
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts import accounts, credentials
from dispatcher.service.accounts.credentials import NewKey
from dispatcher.service.submissions import templates
from dispatcher.settings import Settings
from tests.api.client import open_client
from tests.transcripts import transcript
from tests.world import World

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.http"))


def test_each_dialect_has_its_transcript() -> None:
    assert [file.stem for file in FILES] == sorted(dialect.name for dialect in DIALECTS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_samples_get_the_documented_answers(settings: Settings, file: Path) -> None:
    world = World(settings.model_copy(update={"jwt_secret": SecretStr("x" * 40)}))

    async def run_exchanges() -> None:
        variables = await _variables(world)
        async with open_client(world) as client:
            for exchange in transcript.read(file):
                try:
                    await exchange.run(client, variables)
                except AssertionError as error:
                    raise AssertionError(f"{file.name}: {exchange.title}: {error}") from error

    world.run(run_exchanges)


async def _variables(world: World) -> dict[str, str]:
    """Create one credential for each dialect, and the other values that the samples name."""
    account = world.caller.account
    app = await _key(world, CredentialKind.APP, "emess")
    user = await _key(world, CredentialKind.USER, "formpost")
    login = await _key(world, CredentialKind.LOGIN, "smsgate")
    await accounts.add_sender(world.ctx, account, "XXXXXXXXXX")
    template = await templates.create(
        world.ctx, account, "power", "{{name}}, the power is out until {{etor}}"
    )
    return {
        "appId": str(app.name),
        "secretKey": app.secret,
        "emsgnowKey": (await _key(world, CredentialKind.API_KEY, "emsgnow")).secret,
        "templateId": template.public_id,
        "username": str(user.name),
        "password": user.secret,
        "formpostKey": (await _key(world, CredentialKind.API_KEY, "formpost")).secret,
        "token": (await _key(world, CredentialKind.BEARER, "scheduler")).secret,
        "senderId": str(world.sender_id),
        "login": str(login.name),
        "loginPassword": login.secret,
        "basic": b64encode(f"{login.name}:{login.secret}".encode()).decode(),
    }


async def _key(world: World, kind: CredentialKind, dialect: str) -> NewKey:
    return await credentials.create(world.ctx, world.caller.account, kind, dialect=dialect)


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ('{"a": "<int>"}', '{"a": "x"}'),
        ('{"a": 1}', '{"a": 1, "b": 2}'),
        ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}'),
        ('{"a": 1}', '{"a": true}'),
        ('["<uuid>"]', '["<uuid>", "<uuid>"]'),
        ('[1, "..."]', "[1, 2]"),
    ],
)
def test_an_answer_of_another_shape_fails(expected: str, found: str) -> None:
    exchange = transcript.Exchange("x", "GET", "/", {}, "", 200, {}, expected)
    client = httpx.AsyncClient(
        transport=httpx.MockTransport(lambda _: httpx.Response(200, text=found)), base_url="http://api"
    )
    with pytest.raises((AssertionError, ValueError)):
        asyncio.run(exchange.run(client, {}))
