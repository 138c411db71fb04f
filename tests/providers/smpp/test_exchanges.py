"""Exchanges with an SMSC that go wrong elsewhere, played by our sandbox, from the bind to the database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from dispatcher.domain.delivery.provider import ProviderConfig, ProviderReports, Traffic
from dispatcher.domain.messages.status import Status
from dispatcher.providers.smpp import SmppProvider
from dispatcher.sandbox import SandboxSettings, serving_both, smpp_options
from dispatcher.service.accounts import accounts, opt_outs
from dispatcher.service.context import ConfiguredProvider
from dispatcher.service.inbound import messages
from dispatcher.service.receipts import ingest, listing
from tests.world import NUMBER, World

CODE = "40404"
STOP = "СТОП"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A world whose provider is bound to the sandbox."""

    world: World
    http: httpx.AsyncClient

    async def write(self, **message: object) -> None:
        response = await self.http.post("/inbound", json={"from": NUMBER, "to": CODE, **message})
        assert response.status_code == 202, response.text

    async def settled(self) -> None:
        """Wait until the sandbox has no delivery that is unanswered."""
        await self.until(lambda stats: not stats["pending_receipts"])

    async def until(self, condition: Callable[[dict[str, Any]], object]) -> None:
        async with asyncio.timeout(10):
            while not condition((await self.http.get("/stats")).json()):  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(0.01)

    async def stored(self) -> list[tuple[str | None, tuple[int, ...]]]:
        await self.settled()
        found = await messages.page(self.world.ctx, with_text=True)
        return [(one.text, one.missing_parts) for one in reversed(found)]

    async def send(self, number: str) -> int:
        [message] = (await self.world.submit(number)).messages
        await self.world.deliver()
        await self.settled()
        await ingest.match(self.world.ctx)
        return message.id

    async def status(self, message_id: int) -> tuple[Status, str]:
        row: Any = await self.world.row(message_id)
        return Status(row.status), row.reason


@asynccontextmanager
async def exchange(world: World, options: dict[str, Any], **settings: Any) -> AsyncIterator[Exchange]:
    async def keep(reports: Sequence[ProviderReports]) -> None:
        await ingest.keep(world.ctx, "sim", reports)

    played = SandboxSettings(
        **{"latency_ms": 0, "receipt_delay_ms": 1, "control_token": "a-token", **settings}
    )
    async with serving_both(played) as (url, port):
        chosen = {**smpp_options("127.0.0.1", port or 0), **options}
        config = ProviderConfig("sim", "smpp", chosen, tps=10_000, takes=Traffic.BOTH)
        provider = SmppProvider(config)
        world.ctx = replace(world.ctx, providers={"sim": ConfiguredProvider(config, provider)})
        await accounts.add_sender(world.ctx, world.caller.account, CODE)
        provider.listen(keep)
        try:
            async with httpx.AsyncClient(base_url=url, headers={"Authorization": "Bearer a-token"}) as http:
                one = Exchange(world, http)
                await one.until(lambda stats: stats["binds"] == chosen.get("binds", 1))
                yield one
        finally:
            await provider.close()


Story = Callable[[Exchange], Awaitable[None]]


def play(world: World, story: Story, options: dict[str, Any] | None = None, **settings: Any) -> None:
    async def work() -> None:
        async with exchange(world, options or {}, **settings) as one:
            await story(one)

    world.run(work)


# Parts (cases 3 and 4).


def test_one_delivery_at_a_time_makes_one_message_without_a_pause(world: World) -> None:
    async def story(one: Exchange) -> None:
        text = "ab😀" * 60
        await one.write(text=text)
        await one.write(text="behind it")
        async with asyncio.timeout(5):  # far below `join`
            assert await one.stored() == [(text, ()), ("behind it", ())]

    play(world, story, {"join": 3600}, smpp_window=1)


def test_receipts_do_not_wait_behind_a_part_whose_others_do_not_come(world: World) -> None:
    async def story(one: Exchange) -> None:
        await one.write(text="a" * 400, parts=[1, 2])
        message = await one.send(NUMBER)
        assert (await one.status(message))[0] is Status.RECEIVED

    play(world, story, {"join": 3600}, smpp_window=1)


def test_parts_over_several_binds_in_any_order_repeated_or_not_are_one_message(world: World) -> None:
    async def story(one: Exchange) -> None:
        text = "я" * 200
        await one.write(text=text, parts=[3, 1, 1, 3, 2, 2])
        assert await one.stored() == [(text, ())]

    play(world, story, {"binds": 3}, smpp_window=1)


def test_a_part_that_comes_later_completes_the_message_that_was_stored_without_it(world: World) -> None:
    async def story(one: Exchange) -> None:
        await one.write(text="a" * 153 + "b" * 50, reference=9, parts=[2])
        await one.settled()
        one.world.time.advance(timedelta(seconds=10))
        await one.world.clock.tick()
        assert await one.stored() == [("b" * 50, (1,))]
        await one.write(text="a" * 153 + "b" * 50, reference=9, parts=[1])
        assert await one.stored() == [("a" * 153 + "b" * 50, ())]

    play(world, story)


# References that come again (case 5).


def test_an_id_that_comes_again_belongs_to_the_newest_message(world: World) -> None:
    async def story(one: Exchange) -> None:
        first = await one.send("+254701990045")  # accepted, never a receipt
        one.world.time.advance(timedelta(hours=3))
        second = await one.send(NUMBER)
        refs = await one.world.all("SELECT DISTINCT ref FROM provider_references")
        assert [row.ref for row in refs] == ["1"]
        assert (await one.status(first))[0] is Status.SENT
        assert (await one.status(second))[0] is Status.RECEIVED

    play(world, story, smpp_ids_repeat_after=1, receipt_delay_ms=500)


# Codings (case 6).


@pytest.mark.parametrize("data_coding", [None, 0x08, 0x18, 0x19, 0x1A, 0x1B, 0x06, 0x48, 0xE0])
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "in parts"])
def test_stop_opts_out_in_every_coding_that_has_it(world: World, data_coding: int | None, cut: bool) -> None:
    async def story(one: Exchange) -> None:
        if cut and data_coding is not None:
            octets = STOP.encode("iso8859-5" if data_coding == 0x06 else "utf-16-be").hex()
            for number, piece in ((2, octets[6:]), (1, octets[:6])):  # within a character of UCS-2
                await one.write(octets=piece, udh=f"0500030902{number:02x}", data_coding=data_coding)
        else:
            await one.write(text=STOP, data_coding=data_coding)
        assert await one.stored() == [(STOP, ())]
        found = await opt_outs.page(one.world.ctx, one.world.caller.account)
        assert [out.number for out in found] == [NUMBER]

    play(world, story)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"text": "[5 €]", "data_coding": 0xF1}, "[5 €]"),
        ({"text": "הסר", "data_coding": 0x07}, "הסר"),
        ({"text": "café", "data_coding": 0x03}, "café"),
        ({"octets": "1b53 1b65".replace(" ", ""), "udh": "03240101"}, "Ş€"),
        ({"octets": "1b09", "udh": "03240102"}, "ç"),
        ({"octets": "7b", "udh": "03250103"}, "ã"),
    ],
)
def test_texts_are_stored_as_they_were_written(world: World, message: dict[str, object], text: str) -> None:
    async def story(one: Exchange) -> None:
        await one.write(**message)
        assert await one.stored() == [(text, ())]

    play(world, story)


@pytest.mark.parametrize("data_coding", [0x02, 0x04, 0xF4, 0xF7, 0x20])
def test_data_is_answered_and_is_no_message(world: World, data_coding: int) -> None:
    async def story(one: Exchange) -> None:
        await one.write(octets=b"STOP".hex(), data_coding=data_coding)
        await one.write(octets=b"STOP".hex(), udh="0605040b8423f0")
        await one.write(octets=b"STOP".hex(), udh="04040210ff", data_coding=8)
        assert await one.stored() == []
        assert await opt_outs.page(one.world.ctx, one.world.caller.account) == []

    play(world, story)


def test_the_default_alphabet_of_the_provider_is_obeyed(world: World) -> None:
    async def story(one: Exchange) -> None:
        await one.write(octets="caf\xe9 @".encode("latin-1").hex())
        assert await one.stored() == [("café @", ())]

    play(world, story, {"default_alphabet": "latin1"})


# Receipts as they are sent (case 7).


@pytest.mark.parametrize("command", ["deliver_sm", "data_sm"])
@pytest.mark.parametrize("style", ["both", "text", "tlvs"])
@pytest.mark.parametrize("tail", ["", "00", "0427000902"], ids=["whole", "an octet", "a cut parameter"])
def test_receipts_are_taken_as_they_are_sent(world: World, command: str, style: str, tail: str) -> None:
    async def story(one: Exchange) -> None:
        delivered, lost = await one.send(NUMBER), await one.send("+254701990068"[:-2] + "38")
        assert (await one.status(delivered))[0] is Status.RECEIVED
        status, reason = await one.status(lost)
        assert status is Status.FAILED
        assert reason.startswith("SKIPPED" if style == "tlvs" else "FAILED")
        assert await listing.recent_remarked(one.world.ctx) == (2 if tail else 0)

    settings: dict[str, Any] = {
        "smpp_receipt_command": command,
        "smpp_receipts": style,
        "smpp_receipt_tail": tail,
        "smpp_receipt_words": {"UNDELIV": "FAILED"},
        "smpp_receipt_states": {"UNDELIV": 9},
    }
    play(world, story, **settings)


@pytest.mark.parametrize(("answered", "reported"), [("Ab-", "AB-"), ("Xy-0", "xY-0"), ("", "")])
def test_an_id_in_another_case_is_the_same(world: World, answered: str, reported: str) -> None:
    async def story(one: Exchange) -> None:
        assert (await one.status(await one.send(NUMBER)))[0] is Status.RECEIVED

    play(
        world,
        story,
        smpp_id_prefix=answered,
        smpp_receipt_id_prefix=reported,
        smpp_ids="04x",
        smpp_receipt_ids="04X",
    )
