"""The provider with an independent SMSC: the npm package smpp, unchanged."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dispatcher.domain.delivery.inbound_part import InboundPart
from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    PartlyAccepted,
    ProviderReports,
    ReceiptReport,
    Rejected,
    Unsent,
)
from dispatcher.domain.messages.alphabets import decode_text
from dispatcher.domain.messages.parts import PartsTaken
from dispatcher.domain.messages.status import Status
from tests.providers.smpp.smsc import a_message, a_provider, forget, wide_open
from tests.providers.transports import run

SCRIPT = Path(__file__).parent / "stranger.cjs"
PACKAGE = "smpp@0.5.1"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="node is missing"),
]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("npm")
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    done = subprocess.run([*command, "--prefix", str(directory), PACKAGE], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("the npm package cannot be had")
    return directory / "node_modules" / "smpp"


class Stranger:
    """The process and its output."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def says(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        async with asyncio.timeout(10):
            said: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return said


@asynccontextmanager
async def a_stranger(package: Path, *manner: str) -> AsyncIterator[tuple[Stranger, int]]:
    pipe = asyncio.subprocess.PIPE
    command = ["node", str(SCRIPT), str(package), *manner]
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        stranger = Stranger(process)
        yield stranger, (await stranger.says())["port"]
    finally:
        process.kill()
        await process.communicate()


def test_it_binds_submits_receives_and_unbinds(package: Path) -> None:
    async def work() -> None:
        kept: list[ProviderReports] = []

        async def keep(received: Sequence[ProviderReports]) -> None:
            kept.extend(received)

        async with a_stranger(package) as (stranger, port):
            async with a_provider(port) as provider:
                provider.listen(keep)
                outcomes = await provider.send([a_message("Grüße @ [5] €"), a_message("no")], wide_open)
                assert outcomes == [
                    Accepted(("1",)),
                    Rejected(Status.INVALID_NUMBER, "ESME_RINVDSTADR"),
                ]
                assert await stranger.says() == {
                    "text": "Grüße @ [5] €",
                    "udh": None,
                    "coding": 0,
                    "from": [5, 0, "ACME"],
                    "to": [1, 1, "254701234567"],
                    "until": "2026-03-01T12:30:00.000Z",
                }
                assert (await stranger.says())["text"] == "no"
                assert [await stranger.says() for _ in range(3)] == [{"delivered": 0}] * 3
                assert ReceiptReport("1", None, Status.RECEIVED, "DELIVRD") in kept
                parts = [one for one in kept if isinstance(one, InboundPart)]
                assert [(one.reference, one.total, one.number) for one in parts] == [
                    ("77", 2, 1),
                    ("77", 2, 2),
                ]
                assert "".join(decode_text(one.octets, one.alphabet) for one in parts) == "Grüße €5"
            assert await stranger.says() == {"unbound": True}

    run(work())


@pytest.mark.parametrize(("text", "coding"), [("x" * 300, 0), ("я" * 100, 8)], ids=["GSM", "UCS-2"])
def test_it_joins_the_parts_of_a_long_text(package: Path, text: str, coding: int) -> None:
    async def work() -> None:
        async with a_stranger(package) as (stranger, port), a_provider(port) as provider:
            provider.listen(forget)
            assert await provider.send([a_message(text)], wide_open) == [Accepted(("1", "2"))]
            said = [await stranger.says() for _ in range(6)]  # two submits, two receipts, two of a handset
            parts = [one for one in said if "text" in one]
            assert "".join(part["text"] for part in parts) == text
            assert [part["udh"][0][-2:] for part in parts] == [[2, 1], [2, 2]]
            assert {part["coding"] for part in parts} == {coding}

    run(work())


def test_with_a_window_of_one_it_gets_one_part_after_the_other(package: Path) -> None:
    async def work() -> None:
        async with (
            a_stranger(package, "one at a time") as (stranger, port),
            a_provider(port, window=1) as provider,
        ):
            provider.listen(forget)
            assert await provider.send([a_message("x" * 400)], wide_open) == [Accepted(("1", "2", "3"))]
            said = [await stranger.says() for _ in range(3)]
            assert "".join(one["text"] for one in said) == "x" * 400
            assert [one["udh"][0][-2:] for one in said] == [[3, 1], [3, 2], [3, 3]]

    run(work())


def test_a_part_that_it_puts_off_comes_again_alone_with_its_number_and_reference(package: Path) -> None:
    async def work() -> None:
        async with a_stranger(package, "put off") as (stranger, port), a_provider(port) as provider:
            provider.listen(forget)
            whole = replace(a_message("x" * 400), part_reference=77)
            [first] = await provider.send([whole], wide_open)
            assert first == PartlyAccepted(3, {1: "1", 3: "2"}, Deferred("ESME_RTHROTTLED"))
            rest = replace(whole, parts_taken=PartsTaken(3, frozenset({1, 3})))
            assert await provider.send([rest], wide_open) == [Accepted(("3",))]
            said = [await stranger.says() for _ in range(4)]
            assert [one.get("refused", one.get("udh")) for one in said] == [
                [[0, 3, 77, 3, 1]],
                [0, 3, 77, 3, 2],
                [[0, 3, 77, 3, 3]],
                [[0, 3, 77, 3, 2]],
            ]

    run(work())


def test_it_reads_a_long_text_in_one_pdu(package: Path) -> None:
    async def work() -> None:
        async with (
            a_stranger(package) as (stranger, port),
            a_provider(port, long_texts="payload") as provider,
        ):
            provider.listen(forget)
            assert await provider.send([a_message("я" * 100)], wide_open) == [Accepted(("1",))]
            assert (await stranger.says())["text"] == "я" * 100

    run(work())


def test_a_wrong_password_is_refused_and_the_reason_is_reported(package: Path) -> None:
    async def work() -> None:
        async with a_stranger(package) as (_, port), a_provider(port, password="wrong") as provider:
            provider.listen(forget)
            (outcome,) = await provider.send([a_message()], wide_open)
            assert outcome == Unsent("not bound: the SMSC refused the bind: ESME_RINVPASWD")

    run(work())
