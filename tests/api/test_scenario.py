"""
One scenario over all five dialects: schedule two messages, read one, cancel the other, deliver, read.

What a dialect has no words for (Emess cannot schedule, and neither it nor the
form and key API can read or cancel) an operator does through the management API.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

import httpx
import pytest
from pydantic import SecretStr

from dispatcher.api.app import DIALECTS
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts import credentials
from dispatcher.service.accounts.credentials import MANAGE, NewKey
from dispatcher.service.receipts import ingest
from dispatcher.settings import Settings
from tests.api.client import open_client
from tests.world import World

WANTED, CANCELLED = "+254712345678", "+254712345679"
HOUR = timedelta(hours=1)


@dataclass
class Client:
    """A client of one dialect: the scenario's verbs in its words. By default an operator does them."""

    http: httpx.AsyncClient
    operator: Mapping[str, str]
    world: World
    headers: Mapping[str, str] = field(default_factory=dict)
    waits: ClassVar[int | str] = 10
    done: ClassVar[int | str] = 13

    async def connect(self) -> None:
        """Create the credentials for its requests."""

    async def send(self, number: str, at: datetime, text: str = "Hello") -> str:
        raise NotImplementedError

    async def read(self, message: str) -> Any:
        story = (await self.http.get(f"/manage/v1/messages/{message}", headers=self.operator)).json()
        return story["message"]["code"]

    async def cancel(self, message: str) -> None:
        path = f"/manage/v1/messages/{message}/cancel"
        assert (await self.http.post(path, headers=self.operator)).json() == {"cancelled": 1}

    async def key(self, kind: CredentialKind, dialect: str) -> NewKey:
        return await credentials.create(self.world.ctx, self.world.caller.account, kind, dialect=dialect)

    async def post(self, path: str, body: Mapping[str, object]) -> Any:
        response = await self.http.post(path, json=body, headers=self.headers)
        response.raise_for_status()
        return response.json()


class Emess(Client):
    waits = 11  # it cannot schedule

    async def connect(self) -> None:
        app = await self.key(CredentialKind.APP, "emess")
        asked = {"appId": app.name, "secretKey": app.secret}
        token = (await self.post("/api/v0/auth/token", asked))["token"]
        self.headers = {"Authorization": f"Bearer {token}"}

    async def send(self, number: str, at: datetime, text: str = "Hello") -> str:
        body = {"number": number, "message": text, "type": "standard"}
        return str((await self.post("/api/v0/sms/send", body))["id"])


class Emsgnow(Client):
    waits, done = "scheduled", "delivered"

    async def connect(self) -> None:
        self.headers = {"x-api-key": (await self.key(CredentialKind.API_KEY, "emsgnow")).secret}

    async def send(self, number: str, at: datetime, text: str = "Hello") -> str:
        body = {"to": number, "from": "SHOP", "message": text, "notBefore": at.isoformat()}
        return str((await self.post("/sms", body))["trackingId"])

    async def read(self, message: str) -> Any:
        answer = await self.http.get(f"/sms/{message}", headers=self.headers)
        return answer.json()["events"][-1]["message"]["status"]


class Formpost(Client):
    async def connect(self) -> None:
        self.headers = {"X-API-Key": (await self.key(CredentialKind.API_KEY, "formpost")).secret}

    async def send(self, number: str, at: datetime, text: str = "Hello") -> str:
        body = {"numbers": number, "message_body": text, "schedule_at": at.isoformat()}
        return str((await self.post("/api/v2/sms/send", body))["message_ids"][0])


class Scheduler(Client):
    async def connect(self) -> None:
        key = await self.key(CredentialKind.BEARER, "scheduler")
        self.headers = {"Authorization": f"bearer {key.secret}"}

    async def send(self, number: str, at: datetime, text: str = "Hello") -> str:
        body = {
            "message_text": text,
            "delivery_date": f"{at:%Y-%m-%d %H:%M:%S}",
            "sender_id": self.world.sender_id,
            "phone_numbers": number,
        }
        return str((await self.post("/api/v1/sms", body))["sms_ids"][number][0])

    async def read(self, message: str) -> Any:
        return (await self.http.get(f"/api/v1/sms/{message}", headers=self.headers)).json()["status"]

    async def cancel(self, message: str) -> None:
        answer = await self.http.delete(f"/api/v1/sms/{message}", headers=self.headers)
        assert answer.json() == {"success": True}


class Smsgate(Client):
    waits, done = "Pending", "Delivered"
    path = "/api/3rdparty/v1/messages"

    async def connect(self) -> None:
        login = await self.key(CredentialKind.LOGIN, "smsgate")
        basic = b64encode(f"{login.name}:{login.secret}".encode()).decode()
        self.headers = {"Authorization": f"Basic {basic}"}

    async def send(self, number: str, at: datetime, text: str = "Hello") -> str:
        body = {
            "phoneNumbers": [number],
            "textMessage": {"text": text},
            "scheduleAt": at.isoformat(),
        }
        return str((await self.post(self.path, body))["id"])

    async def read(self, message: str) -> Any:
        return (await self.http.get(f"{self.path}/{message}", headers=self.headers)).json()["state"]

    async def cancel(self, message: str) -> None:
        answer = await self.http.delete(f"{self.path}/{message}", headers=self.headers)
        assert answer.json()["state"] == "Cancelled"


CLIENTS: dict[str, type[Client]] = {
    "emess": Emess,
    "emsgnow": Emsgnow,
    "formpost": Formpost,
    "scheduler": Scheduler,
    "smsgate": Smsgate,
}


def test_the_scenario_knows_every_dialect() -> None:
    assert sorted(CLIENTS) == sorted(dialect.name for dialect in DIALECTS)


@pytest.mark.parametrize("dialect", CLIENTS)
def test_a_scheduled_message_is_delivered_and_a_cancelled_one_is_not(
    settings: Settings, dialect: str
) -> None:
    world = World(settings.model_copy(update={"jwt_secret": SecretStr("x" * 40)}))

    async def story() -> None:
        operator = await credentials.create(world.ctx, None, CredentialKind.BEARER, dialect=MANAGE)
        async with open_client(world) as http:
            client = CLIENTS[dialect](http, {"Authorization": f"Bearer {operator.secret}"}, world)
            await client.connect()
            at = (world.time.now() + HOUR).replace(microsecond=0)
            wanted, unwanted = [await client.send(number, at) for number in (WANTED, CANCELLED)]
            assert await client.read(wanted) == client.waits

            await client.cancel(unwanted)
            world.time.at = at
            await _deliver(world)
            assert [seen.to for seen in world.sim.seen] == [WANTED]

            await _confirm(world, http)
            assert await client.read(wanted) == client.done
            assert await world.balance() == 9_999

    world.run(story)


async def _deliver(world: World) -> None:
    await world.clock.release()
    await world.clock.fill()
    await world.deliver()


async def _confirm(world: World, http: httpx.AsyncClient) -> None:
    """Let the provider say that the handset has each message."""
    for seen in world.sim.seen:
        body = f"ref-{seen.reference}-{seen.attempt}=13"
        assert (await http.post("/receipts/sim", content=body)).status_code == 200
    await ingest.match(world.ctx)


@pytest.mark.parametrize("dialect", CLIENTS)
def test_a_request_s_trace_is_followed_to_the_provider(settings: Settings, dialect: str) -> None:
    world = World(settings.model_copy(update={"jwt_secret": SecretStr("x" * 40)}))
    trace = "0af7651916cd43dd8448eb211c80319c"

    async def story() -> None:
        async with open_client(world) as http:
            client = CLIENTS[dialect](http, {}, world)
            await client.connect()
            http.headers["traceparent"] = f"00-{trace}-b7ad6b7169203331-01"
            at = (world.time.now() + HOUR).replace(microsecond=0)
            await client.send(WANTED, at)
            world.time.at = at
            await _deliver(world)
            [seen] = world.sim.seen
            assert seen.traceparent is not None
            assert seen.traceparent.startswith(f"00-{trace}-")

    world.run(story)


@pytest.mark.parametrize("text", ["Hi {{name}", "Hi {{nobody}}", "Hi {name}}", "Hi {{ First Name }}"])
@pytest.mark.parametrize("dialect", CLIENTS)
def test_no_dialect_accepts_a_text_with_braces_that_nothing_fills(
    settings: Settings, dialect: str, text: str
) -> None:
    world = World(settings.model_copy(update={"jwt_secret": SecretStr("x" * 40)}))

    async def story() -> None:
        async with open_client(world) as http:
            client = CLIENTS[dialect](http, {}, world)
            await client.connect()
            with pytest.raises(httpx.HTTPStatusError) as caught:
                await client.send(WANTED, world.time.now() + HOUR, text)
            assert caught.value.response.status_code in {400, 422}  # each dialect's own
            assert "has braces that nothing fills: " in str(caught.value.response.json())
            assert await world.all("SELECT 1 FROM messages") == []
            assert await client.send(WANTED, world.time.now() + HOUR, '{"a":{"b":":-)"}}')

    world.run(story)
