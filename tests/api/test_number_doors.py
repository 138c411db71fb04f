"""The numbers that people write, through every HTTP API: one reader, and each dialect's document."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from pydantic import SecretStr

from dispatcher.domain.accounts.account import AccountLimits
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts import accounts, credentials
from dispatcher.service.accounts.credentials import MANAGE, NewKey
from dispatcher.settings import Settings
from tests.api.client import open_client
from tests.api.emess import sample as emess
from tests.world import World
from tests.written_numbers import WRITTEN

Door = Callable[[str], Awaitable[httpx.Response]]
_EMSGNOW = r"\+?[1-9][0-9]{6,14}"


class Doors:
    """A client for each way in, with its credentials."""

    def __init__(self, world: World, http: httpx.AsyncClient, keys: Mapping[str, Any]) -> None:
        self.world, self.http, self.keys = world, http, keys
        self._last = 0

    def lenient(self) -> Iterator[tuple[str, Door]]:
        """Yield the ways in whose documents demand no notation."""
        http, key, user = self.http, self.keys["formpost"], self.keys["user"]
        yield (
            "emess",
            lambda text: http.post(emess.SEND, json=emess.one(number=text), headers=self.keys["emess"]),
        )
        yield (
            "formpost form",
            lambda text: http.post("/v1/sms/send", data={"numbers": text, "message_body": "Hello", **user}),
        )
        yield (
            "formpost query",
            lambda text: http.get(f"/api/v2/sms/send?numbers={quote(text)}&message_body=Hello", headers=key),
        )
        yield (
            "formpost json",
            lambda text: http.post(
                "/api/v2/sms/send", json={"numbers": [text], "message_body": "Hello"}, headers=key
            ),
        )
        yield (
            "smsgate",
            lambda text: http.post(
                "/api/3rdparty/v1/messages",
                json={"phoneNumbers": [text], "textMessage": {"text": "Hello"}},
                auth=self.keys["smsgate"],
            ),
        )
        yield (
            "manage",
            lambda text: http.post(
                "/manage/v1/accounts/shop/batches",
                json={"recipients": [text], "text": "Hello"},
                headers=self.keys["manage"],
            ),
        )

    def emsgnow(self, text: str) -> Awaitable[httpx.Response]:
        return self.http.post(
            "/sms", json={"to": text, "from": "SHOP", "message": "Hello"}, headers=self.keys["emsgnow"]
        )

    def scheduler(self, text: str) -> Awaitable[httpx.Response]:
        body = {
            "message_text": "Hello",
            "delivery_date": "2020-12-25 12:45:59",
            "sender_id": self.world.sender_id,
            "phone_numbers": text,
        }
        return self.http.post("/api/v1/sms", json=body, headers=self.keys["scheduler"])

    async def taken(self, response: httpx.Response) -> str | None:
        """Return the number of the message that was accepted; None if it was refused."""
        assert response.status_code < 429, response.text
        rows = await self.world.all("SELECT id, number FROM messages WHERE id > :last", last=self._last)
        assert len(rows) == (response.status_code < 300), response.text
        for row in rows:
            self._last = row.id
        return str(rows[0].number) if rows else None


@asynccontextmanager
async def opened(world: World) -> AsyncIterator[Doors]:
    account = await accounts.set_limits(world.ctx, world.caller.account, AccountLimits(rate=6000))

    async def key(kind: CredentialKind, dialect: str) -> NewKey:
        return await credentials.create(world.ctx, account, kind, dialect=dialect)

    app = await key(CredentialKind.APP, "emess")
    user = await key(CredentialKind.USER, "formpost")
    login = await key(CredentialKind.LOGIN, "smsgate")
    robot = await credentials.create(world.ctx, None, CredentialKind.BEARER, dialect=MANAGE, name="robot")
    async with open_client(world) as http:
        yield Doors(
            world,
            http,
            {
                "emess": await emess.bearer(http, app),
                "user": {"username": str(user.name), "password": user.secret},
                "formpost": {"X-API-Key": (await key(CredentialKind.API_KEY, "formpost")).secret},
                "smsgate": httpx.BasicAuth(str(login.name), login.secret),
                "manage": {"Authorization": f"Bearer {robot.secret}"},
                "emsgnow": {"x-api-key": (await key(CredentialKind.API_KEY, "emsgnow")).secret},
                "scheduler": {
                    "Authorization": f"Bearer {(await key(CredentialKind.BEARER, 'scheduler')).secret}"
                },
            },
        )


@pytest.fixture
def world(settings: Settings) -> World:
    return World(
        settings.model_copy(update={"jwt_secret": SecretStr(emess.JWT_SECRET), "smsgate_landlines": True})
    )


async def in_country(world: World, country: str | None) -> None:
    await world.all("UPDATE accounts SET default_country = :country RETURNING id", country=country)


def test_each_number_becomes_the_same_in_every_way_in_or_is_refused(world: World) -> None:
    async def story() -> None:
        async with opened(world) as doors:
            for row in WRITTEN:
                await in_country(world, row.country)
                for name, door in doors.lenient():
                    found = await doors.taken(await door(row.text))
                    assert row.allows(found), (name, row, found)

    world.run(story)


def test_the_stricter_documents_take_plus_and_digits_and_refuse_the_rest(world: World) -> None:
    """eMsgNow's is E.164, with or without "+"; SMS Scheduler's "+", "without spaces or hyphens"."""

    async def story() -> None:
        async with opened(world) as doors:
            for row in WRITTEN:
                emsgnow = await doors.taken(await doors.emsgnow(row.text))
                wanted = "+" + row.text.removeprefix("+") if re.fullmatch(_EMSGNOW, row.text) else None
                assert emsgnow == wanted, row
                scheduler = await doors.taken(await doors.scheduler(row.text))
                assert scheduler == (row.number if row.is_plain else None), row

    world.run(story)


def test_a_refusal_says_the_value_and_what_to_do_where_the_document_has_no_words_for_it(world: World) -> None:
    async def story() -> None:
        async with opened(world) as doors:
            for name, door in doors.lenient():
                response = await door("2.54712E+11")
                assert response.status_code in (400, 422)
                if name == "formpost form":
                    assert response.json() == {"error": "Invalid phone number format."}
                    continue
                assert "2.54712E+11" in response.text, name
                advice = "the spreadsheet shortened this number; format the column as text and export again"
                assert advice in response.text, name

    world.run(story)


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("+254712345601", "+254712345601"),
        ("%2B254712345601", "+254712345601"),
        ("+33612345678", "+33612345678"),
        ("%2B33612345678", "+33612345678"),
        ("0712345601", "+254712345601"),
        ("0701234567,+0712345601", "+254712345601"),  # the document's sample: a blank after the comma
        ("0701234567,++33612345678", "+33612345678"),
    ],
)
def test_a_blank_before_a_number_in_a_query_was_a_plus(world: World, query: str, number: str) -> None:
    async def story() -> None:
        async with opened(world) as doors:
            for url in (f"/api/v2/sms/send?numbers={query}&message_body=Hello",):
                response = await doors.http.get(url, headers=doors.keys["formpost"])
                assert response.status_code == 200, response.text
            rows = await world.all("SELECT number FROM messages ORDER BY id")
            assert rows[-1].number == number
            form = f"numbers={query}&message_body=Hello"
            headers = {"Content-Type": "application/x-www-form-urlencoded", **doors.keys["formpost"]}
            response = await doors.http.post("/api/v2/sms/send", content=form, headers=headers)
            assert response.status_code == 200, response.text

    world.run(story)


def test_a_blank_that_makes_two_numbers_possible_is_refused(world: World) -> None:
    async def story() -> None:
        await in_country(world, "US")
        async with opened(world) as doors:
            url = "/api/v2/sms/send?numbers=+4582345678&message_body=Hello"  # +45 82345678, or +1 458 2345678
            response = await doors.http.get(url, headers=doors.keys["formpost"])
            assert response.status_code == 422
            assert "can be read as +14582345678 and as +4582345678" in response.text

    world.run(story)


def test_a_number_is_found_and_opted_out_however_it_is_written(world: World) -> None:
    async def story() -> None:
        async with opened(world) as doors:
            headers = doors.keys["manage"]
            await world.submit(["+254712345601"])
            for query in ("%2B254712345601", "+254712345601", "254712345601", "00254712345601"):
                found = await doors.http.get(f"/manage/v1/messages?number={query}", headers=headers)
                assert len(found.json()["items"]) == 1, query
            for row in WRITTEN:
                await in_country(world, row.country)
                await world.all("DELETE FROM opt_outs RETURNING id")
                response = await doors.http.post(
                    "/manage/v1/accounts/shop/opt-outs", json={"numbers": [row.text]}, headers=headers
                )
                opted_out = await world.all("SELECT number FROM opt_outs")
                assert row.allows(opted_out[0].number if opted_out else None), (row, response.text)

    world.run(story)
