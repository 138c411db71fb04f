"""Parts of handsets' messages over the binds of several worker processes."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from dispatcher.sandbox import SandboxSettings, serving_both, smpp_options
from dispatcher.sandbox.server import SandboxServers
from tests.system.stack import Stack, running_stack, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

HANDSET, CODE = "+254712345678", "40404"
TOKEN = "a token for tests"
SENDERS = ("critical", "standard", "bulk")


@contextmanager
def a_sandbox(settings: SandboxSettings) -> Iterator[SandboxServers]:
    """Serve a sandbox in a thread of its own."""
    started, found, stop = threading.Event(), [], asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with serving_both(settings) as servers:
            found.append(servers)
            started.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert started.wait(10)
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


@pytest.fixture(scope="module")
def smsc() -> Iterator[SandboxServers]:
    """Yield an SMSC that sends the next deliver_sm only after the answer to the last."""
    with a_sandbox(SandboxSettings(smpp_window=1, control_token=TOKEN)) as servers:
        yield servers


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, smsc: SandboxServers) -> Iterator[Stack]:
    """Yield a stack whose three sending workers bind to the SMSC."""
    directory: Path = tmp_path_factory.mktemp("stack")
    options = smpp_options("127.0.0.1", smsc.smpp_port or 0) | {"join": 5}
    providers = [{"name": "smpp", "plugin": "smpp", "options": options, "takes": "both"}]
    with running_stack(directory, settings={"DISPATCHER_PROVIDERS": json.dumps(providers)}) as running:
        yield running


@pytest.fixture
def http(smsc: SandboxServers, stack: Stack) -> Iterator[httpx.Client]:
    """Yield a client of the SMSC, to which all three workers are bound."""
    with httpx.Client(base_url=smsc.url, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        until(lambda: client.get("/stats").json()["binds"] == len(SENDERS), seconds=60, what="all are bound")
        yield client


def _write(http: httpx.Client, text: str, **more: object) -> None:
    body = {"from": HANDSET, "to": CODE, "text": text, **more}
    http.post("/inbound", json=body).raise_for_status()


def _missing(stack: Stack, text: str) -> list[list[int]]:
    """Return the missing parts of each message with this text."""
    return [row[0] for row in stack.rows("SELECT missing_parts FROM inbound WHERE text = %s", text)]


def _processes(stack: Stack) -> set[str]:
    """Return the workers that stored parts."""
    logs = {name: list(stack.dir.rglob(f"*{name}*.log")) for name in SENDERS}
    return {name for name, found in logs.items() if any("inbound_parts_kept" in f.read_text() for f in found)}


def test_parts_over_the_binds_of_several_processes_are_one_message(stack: Stack, http: httpx.Client) -> None:
    texts = [f"{n}: " + "я😀" * 100 for n in range(20)]
    for text in texts:
        _write(http, text, parts=[5, 3, 1, 3, 2, 4])
    until(lambda: all(_missing(stack, text) for text in texts), seconds=30, what="all texts are stored")
    assert [_missing(stack, text) for text in texts] == [[[]]] * len(texts)
    assert stack.rows("SELECT count(*) FROM inbound") == [(len(texts),)]
    assert len(_processes(stack)) > 1


def test_a_message_whose_workers_are_killed_between_two_parts_is_whole(
    stack: Stack, http: httpx.Client
) -> None:
    text = "a" * 200
    _write(http, text, reference=7, parts=[1])
    waits = "SELECT 1 FROM inbound_joins WHERE wake_at IS NOT NULL"
    until(lambda: bool(stack.rows(waits)), seconds=10, what="the part is stored")
    for name in SENDERS:
        stack.kill(name)
    until(lambda: bool(http.get("/stats").json()["binds"]), seconds=60, what="a worker is bound again")
    _write(http, text, reference=7, parts=[2])
    until(lambda: _missing(stack, text) == [[]], seconds=60, what="the text is whole")


def test_parts_that_come_while_postgres_is_killed_are_delivered_again(
    stack: Stack, http: httpx.Client
) -> None:
    text = "b" * 200
    stack.kill("postgres")
    _write(http, text)
    until(lambda: _missing(stack, text) == [[]], seconds=60, what="the text is stored")


def test_the_clock_stores_what_is_there(stack: Stack, http: httpx.Client) -> None:
    _write(http, "c" * 200, parts=[2])
    until(lambda: _missing(stack, "c" * 47) == [[1]], seconds=60, what="the incomplete text is stored")
