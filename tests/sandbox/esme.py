"""A scripted ESME: the codec over a real socket, with its own sandbox."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import httpx

from dispatcher.sandbox import SandboxSettings, serving_both
from dispatcher.smpp.constants import RESPONSE_BIT, Command, CommandStatus, EsmClass
from dispatcher.smpp.pdu import Address, Bind, Pdu, Sm, Splitter, decode_id, encode, encode_id, respond
from dispatcher.smpp.receipt import SmppReceipt, read_receipt

NUMBER = "254701234567"


class Esme:
    """One connection. It acknowledges deliveries with `status`, or with nothing if that is None."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._answers: dict[int, asyncio.Future[Pdu]] = {}
        self._sequence = 0
        self.status: CommandStatus | None = CommandStatus.ESME_ROK
        self.got: list[Sm] = []
        self.heard: list[Pdu] = []
        self.came = asyncio.Condition()
        self.task = asyncio.create_task(self._read())

    @classmethod
    async def connect(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, command: int, body: bytes = b"") -> Pdu:
        """Return the response to a request. Raises ConnectionError if there is none."""
        return await self.request(command, body)

    def request(self, command: int, body: bytes = b"") -> "asyncio.Future[Pdu]":
        self._sequence += 1
        answer = self._answers[self._sequence] = asyncio.get_running_loop().create_future()
        self.write(encode(command, sequence=self._sequence, body=body))
        return answer

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def bind(
        self, command: Command = Command.BIND_TRANSCEIVER, *, system_id: str = "acme", password: str = "pw"
    ) -> int:
        return (await self.ask(command, Bind(system_id, password).encode())).status

    async def submit(self, to: str = NUMBER, text: bytes = b"hello", **fields: Any) -> tuple[int, str]:
        answer = await self.ask(Command.SUBMIT_SM, sm(to, text, **fields).encode())
        return answer.status, decode_id(answer.body)

    async def deliveries(self, count: int) -> list[Sm]:
        """Wait for this many deliveries, and return all of them."""
        async with asyncio.timeout(5), self.came:
            await self.came.wait_for(lambda: len(self.got) >= count)
        return list(self.got)

    async def receipts(self, count: int) -> list[SmppReceipt]:
        found = [read_receipt(sm) for sm in await self.deliveries(count)]
        return [receipt for receipt in found if receipt is not None]

    async def close(self) -> None:
        self._writer.close()
        await self.task

    async def _read(self) -> None:
        splitter = Splitter()
        try:
            while data := await self._reader.read(65536):
                for pdu in splitter.feed(data):
                    await self._take(pdu)
        except ConnectionError:
            pass
        self._writer.close()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the sandbox hung up"))

    async def _take(self, pdu: Pdu) -> None:
        self.heard.append(pdu)
        if pdu.command >= RESPONSE_BIT and (answer := self._answers.pop(pdu.sequence, None)) is not None:
            answer.set_result(pdu)
        if pdu.command == Command.DELIVER_SM:
            async with self.came:
                self.got.append(Sm.decode(pdu.body))
                self.came.notify_all()
            if self.status is not None:
                self.write(respond(pdu, status=self.status, body=encode_id("")))


def sm(to: str = NUMBER, text: bytes = b"hello", **fields: Any) -> Sm:
    asked: dict[str, Any] = {"registered_delivery": 1, **fields}
    return Sm(Address(5, 0, "ACME"), Address(1, 1, to), text, **asked)


def is_receipt(delivered: Sm) -> bool:
    return delivered.esm_class & EsmClass.TYPE == EsmClass.RECEIPT


@dataclass(frozen=True, slots=True)
class EsmeSession:
    """A sandbox with HTTP and SMPP."""

    port: int
    client: httpx.AsyncClient

    @asynccontextmanager
    async def esme(
        self, command: Command | None = Command.BIND_TRANSCEIVER, **given: str
    ) -> AsyncIterator[Esme]:
        """Connect, and bind unless `command` is None."""
        esme = await Esme.connect(self.port)
        try:
            if command is not None:
                assert await esme.bind(command, **given) == CommandStatus.ESME_ROK
            yield esme
        finally:
            await esme.close()

    async def stats(self) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = (await self.client.get("/stats")).json()
        return answer

    async def messages(self, **query: str) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = (await self.client.get("/messages", params=query)).json()
        return answer

    async def change(self, **settings: object) -> None:
        (await self.client.put("/settings", json=settings)).raise_for_status()

    async def quiet(self) -> Mapping[str, Any]:
        """Wait until nothing is pending."""
        async with asyncio.timeout(10):
            while (stats := await self.stats())["pending_receipts"] or stats["in_flight"]:
                pass
        return stats


@asynccontextmanager
async def opened(**settings: object) -> AsyncIterator[EsmeSession]:
    """Yield a sandbox, without latency and delays unless the settings say so."""
    fast = {"latency_ms": 0, "receipt_delay_ms": 0, "control_token": "a-token"}
    control = {"Authorization": "Bearer a-token"}
    async with serving_both(SandboxSettings.model_validate(fast | settings)) as (url, port):
        assert port is not None
        async with httpx.AsyncClient(base_url=url, headers=control, trust_env=False) as client:
            yield EsmeSession(port, client)
