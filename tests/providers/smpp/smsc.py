"""An SMSC on a real socket that follows a script and records what it receives."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from dispatcher.domain.delivery.provider import Outgoing, ProviderConfig
from dispatcher.domain.tier import Tier
from dispatcher.providers.smpp import SmppProvider
from dispatcher.smpp.constants import Command, EsmClass
from dispatcher.smpp.pdu import Address, Bind, Pdu, Sm, Splitter, encode, encode_id, respond

PASSWORD = "a-secret"
HANDSET, SENDER = Address(1, 1, "254701234567"), Address(5, 0, "ACME")
WINDOW_END = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


class Line(asyncio.Protocol):
    """One connection, as the SMSC sees it."""

    def __init__(self, smsc: "Smsc") -> None:
        self.smsc = smsc
        self.got: list[Pdu] = []
        self._splitter = Splitter()
        self._sequence = 0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.smsc.lines.append(self)
        self.smsc.open_lines += 1
        self.smsc.changed.set()

    def data_received(self, data: bytes) -> None:
        for pdu in self._splitter.feed(data):
            self.got.append(pdu)
            script = self.smsc.script.get(pdu.command, USUAL.get(pdu.command))
            if script:
                script(self, pdu)
        self.smsc.changed.set()

    def connection_lost(self, error: Exception | None) -> None:
        self.smsc.open_lines -= 1
        self.smsc.changed.set()

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def deliver(self, *messages: Sm) -> None:
        """Deliver all in one write."""
        data = b""
        for sm in messages:
            self._sequence += 1
            data += encode(Command.DELIVER_SM, sequence=self._sequence, body=sm.encode())
        self.write(data)

    @property
    def answers(self) -> list[int]:
        """The response to each delivery, in the order of the deliveries."""
        found = {pdu.sequence: pdu.status for pdu in self.got if pdu.command == Command.DELIVER_SM_RESP}
        return [found[sequence] for sequence in sorted(found)]


Script = Callable[[Line, Pdu], object]


def accept(line: Line, pdu: Pdu) -> None:
    number = len(line.smsc.submits)
    line.write(respond(pdu, body=encode_id(f"p-{number}")))


def refuse(status: int) -> Script:
    return lambda line, pdu: line.write(respond(pdu, status=status))


def ignore(line: Line, pdu: Pdu) -> None:
    pass


def hang_up(line: Line, pdu: Pdu) -> None:
    line.transport.abort()


def say(data: bytes) -> Script:
    return lambda line, pdu: line.write(data)


def nack(status: int) -> Script:
    return lambda line, pdu: line.write(encode(Command.GENERIC_NACK, sequence=pdu.sequence, status=status))


def welcome(line: Line, pdu: Pdu) -> None:
    line.write(respond(pdu, body=encode_id("smsc")))


def part(line: Line, pdu: Pdu) -> None:
    line.write(respond(pdu))
    line.transport.close()


USUAL: Mapping[int, Script] = {
    Command.BIND_TRANSCEIVER: welcome,
    Command.BIND_TRANSMITTER: welcome,
    Command.SUBMIT_SM: accept,
    Command.ENQUIRE_LINK: lambda line, pdu: line.write(respond(pdu)),
    Command.UNBIND: part,
}


@dataclass(slots=True)
class Smsc:
    """The record of the SMSC; `script` has the reaction to each command, and can be changed."""

    script: dict[int, Script]
    port: int = 0
    lines: list[Line] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    open_lines: int = 0

    def all(self, command: int) -> list[Pdu]:
        return [pdu for line in self.lines for pdu in line.got if pdu.command == command]

    @property
    def submits(self) -> list[Sm]:
        return [Sm.decode(pdu.body) for pdu in self.all(Command.SUBMIT_SM)]

    @property
    def texts(self) -> list[str]:
        return [sm.text.decode() for sm in self.submits]

    @property
    def binds(self) -> list[Bind]:
        commands = (Command.BIND_TRANSCEIVER, Command.BIND_TRANSMITTER)
        return [Bind.decode(pdu.body) for command in commands for pdu in self.all(command)]

    async def until(self, condition: Callable[["Smsc"], object]) -> None:
        async with asyncio.timeout(5):
            while not condition(self):
                self.changed.clear()
                await self.changed.wait()

    async def until_left(self) -> None:
        await self.until(lambda smsc: smsc.lines and not smsc.open_lines)


@asynccontextmanager
async def an_smsc(
    script: Mapping[int, Script] | None = None, *, tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[Smsc]:
    smsc = Smsc(dict(script or {}))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Line(smsc), "127.0.0.1", port, ssl=tls)
    smsc.port = server.sockets[0].getsockname()[1]
    try:
        yield smsc
    finally:
        server.close()
        for line in smsc.lines:
            line.transport.abort()
        await server.wait_closed()


@asynccontextmanager
async def a_provider(
    port: int, *, host: str = "127.0.0.1", call_timeout: float = 5.0, **options: Any
) -> AsyncIterator[SmppProvider]:
    provider = SmppProvider(
        ProviderConfig(
            name="under test",
            plugin="smpp",
            options={"host": host, "port": port, "system_id": "us", "password": PASSWORD, **options},
            call_timeout=timedelta(seconds=call_timeout),
        )
    )
    try:
        yield provider
    finally:
        await provider.close()


async def forget(_: object) -> None:
    """Accept reports, and keep none."""


async def bound(provider: SmppProvider, smsc: Smsc, *, binds: int = 1) -> None:
    """Listen, and wait until both sides have the binds, so that a short timeout starts there."""
    provider.listen(forget)
    await smsc.until(lambda smsc: len(smsc.binds) == binds)
    for line in smsc.lines:
        line.write(encode(Command.ENQUIRE_LINK, sequence=1))
    await smsc.until(lambda smsc: len(smsc.all(Command.ENQUIRE_LINK_RESP)) == binds)


def a_message(text: str = "hello", *, sender: str | None = "ACME", to: str = "+254701234567") -> Outgoing:
    return Outgoing(
        reference="m-1",
        to=to,
        sender=sender,
        text=text,
        segments=1,
        tier=Tier.STANDARD,
        attempt=1,
        not_after=WINDOW_END,
    )


def messages(count: int) -> list[Outgoing]:
    return [a_message(f"m-{number}") for number in range(count)]


def wide_open() -> bool:
    return True


def a_receipt(message_id: str, word: str = "DELIVRD", error: str = "000") -> Sm:
    dates = "submit date:2603011200 done date:2603011201"
    text = f"id:{message_id} sub:001 dlvrd:001 {dates} stat:{word} err:{error} text:"
    return Sm(HANDSET, SENDER, text=text.encode(), esm_class=EsmClass.RECEIPT)


def from_a_handset(text: str, *, joint: tuple[int, int, int] | None = None) -> Sm:
    header = bytes([5, 0, 3, *joint]) if joint else b""
    octets = header + text.encode()
    return Sm(HANDSET, Address(3, 0, "40404"), text=octets, esm_class=EsmClass.UDH if joint else 0)
