"""The programs of the bench do the work that is measured. No time is asserted."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import psycopg
import pytest

from bench import floor, smpp, typical
from bench.rig import OpenPeer, provider_process
from bench.table import Row, median
from dispatcher.domain.delivery.provider import (
    Accepted,
    Outcome,
    Outgoing,
    ProviderConfig,
    ProviderReports,
    ReceiptReport,
)
from dispatcher.domain.tier import Tier
from dispatcher.local.embedded.ports import free_port
from dispatcher.providers.generic_http import HttpProvider
from dispatcher.providers.smpp import SmppProvider
from dispatcher.sandbox.provider_options import http_options
from tests.conftest import plain_url

_TABLES = "typical_events, typical_messages, floor_events, floor_messages"


@pytest.fixture
def provider() -> Iterator[httpx.Client]:
    with provider_process(free_port()) as client:
        yield client


@pytest.fixture
def surroundings(
    monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str, provider: httpx.Client
) -> Iterator[str]:
    """Set the variables of the programs; yield the URL of the database, and drop their tables afterwards."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("PROVIDER_URL", str(provider.base_url))
    url = plain_url(database_url)
    yield url
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP TABLE IF EXISTS {_TABLES}")


def test_our_provider_plug_in_is_accepted_by_the_bench_provider(provider: httpx.Client) -> None:
    reference = str(uuid4())
    message = Outgoing(
        reference=reference, to="+254700000001", sender="ACME", text="hello \"you\"", segments=1,
        tier=Tier.CRITICAL, attempt=1, not_after=datetime(2026, 3, 1, tzinfo=UTC),
    )  # fmt: skip

    async def send_twice() -> list[object]:
        options = http_options(str(provider.base_url), receipt_url="http://127.0.0.1/receipts/x")
        plug_in = HttpProvider(ProviderConfig(name="bench", plugin="http", options=options))
        try:
            return [(await plug_in.send([message], lambda: True))[0] for _ in range(2)]
        finally:
            await plug_in.close()

    assert asyncio.run(send_twice()) == [Accepted((reference,))] * 2
    stats = provider.get("/stats").json()
    assert (stats["submits"], stats["unique_references"], stats["duplicates"]) == (2, 1, 1)
    assert provider.get("/arrivals", params={"tier": "critical"}).json() == [[reference, stats["first_at"]]]
    assert provider.get("/arrivals", params={"tier": "bulk"}).json() == []
    provider.post("/reset")
    assert provider.get("/stats").json()["submits"] == 0


def test_pipelined_requests_are_answered_in_order(provider: httpx.Client) -> None:
    provider.post("/settings", json={"latency_ms": 20, "slow_share": 0.5, "slow_ms": 60}).raise_for_status()
    references = [str(uuid4()) for _ in range(20)]
    requests = b"".join(_submit(reference) for reference in references)
    with closing(socket.create_connection(("127.0.0.1", provider.base_url.port or 0), timeout=30)) as wire:
        for start in range(0, len(requests), 100):  # cut where no request begins or ends
            wire.sendall(requests[start : start + 100])
        got = b""
        while got.count(b"]}") < len(references):
            more = wire.recv(65_536)
            assert more, "hung up"
            got += more
    bodies = [json.loads(part[: part.index(b"}") + 1])["ids"] for part in got.split(b"\r\n\r\n")[1:]]
    assert bodies == [[reference] for reference in references]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"reference": 1}', b'{"reference": "m-1"}'])
def test_a_body_that_is_no_submit_is_refused_and_not_counted(provider: httpx.Client, body: bytes) -> None:
    assert provider.post("/submit", content=body).status_code == httpx.codes.BAD_REQUEST
    assert provider.get("/stats").json()["submits"] == 0


def test_the_provider_refuses_unknown_settings(provider: httpx.Client) -> None:
    for wrong in ({"latency": 1}, {"latency_ms": -1}, {"latency_ms": "1"}):
        assert provider.post("/settings", json=wrong).status_code == httpx.codes.BAD_REQUEST


def test_the_floor_sends_and_records_every_message_once(surroundings: str, provider: httpx.Client) -> None:
    provider.post("/settings", json={"latency_ms": 5}).raise_for_status()
    done = subprocess.run(
        [sys.executable, "-m", floor.__name__, "--messages", "1200", "--connections", "8"],
        capture_output=True, text=True, timeout=60, env=os.environ.copy(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["messages"] == 1200
    stats = provider.get("/stats").json()
    assert (stats["unique_references"], stats["duplicates"]) == (1200, 0)
    with psycopg.connect(surroundings) as connection:
        rows = connection.execute(
            "SELECT status, place, attempt, count(*) FROM floor_messages GROUP BY 1, 2, 3"
        )
        assert rows.fetchall() == [(12, None, 1, 1200)]
        assert connection.execute("SELECT count(*) FROM floor_events WHERE status = 12").fetchone() == (1200,)


def test_the_floor_ends_with_an_error_without_the_provider(
    surroundings: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROVIDER_URL", f"http://127.0.0.1:{free_port()}")
    done = subprocess.run(
        [sys.executable, "-m", floor.__name__, "--messages", "10", "--connections", "2"],
        capture_output=True, text=True, timeout=100, env=os.environ.copy(),
    )  # fmt: skip
    assert done.returncode != 0


def test_a_typical_task_sends_its_message_once_and_records_both_moves(
    surroundings: str, redis_url: str, provider: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(typical.app.conf, "broker_url", redis_url)
    typical.prepare(3)
    try:
        for _ in range(2):  # the second time as after a redelivery
            typical.send(1, "+254700000001", "Hello")
    finally:
        typical.close_connections()
    assert provider.get("/stats").json()["submits"] == 1
    with psycopg.connect(surroundings) as connection:
        assert connection.execute("SELECT status FROM typical_messages ORDER BY id").fetchall() == [
            (12,), (10,), (10,),
        ]  # fmt: skip
        events = connection.execute("SELECT message_id, status, attempt FROM typical_events ORDER BY id")
        assert events.fetchall() == [(1, 11, 1), (1, 12, 1)]


def _submit(reference: str) -> bytes:
    body = json.dumps({"reference": reference, "to": "+254700000001", "text": "hi", "tier": "bulk"}).encode()
    return b"POST /submit HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


@pytest.mark.parametrize(
    "peer",
    [smpp.sandbox_server, pytest.param(smpp.npm_server, marks=pytest.mark.slow)],
    ids=["sandbox", "npm"],
)
def test_our_smpp_plug_in_is_served_by_the_smscs_of_the_bench(peer: OpenPeer) -> None:
    reports: list[ProviderReports] = []
    came = asyncio.Condition()

    async def keep(received: Sequence[ProviderReports]) -> None:
        async with came:
            reports.extend(received)
            came.notify()

    async def send(options: Mapping[str, object], messages: Sequence[Outgoing]) -> list[Outcome]:
        plug_in = SmppProvider(ProviderConfig(name="bench", plugin="smpp", options=options))
        try:
            plug_in.listen(keep)
            outcomes = [
                *await plug_in.send(messages, lambda: True),
                *await plug_in.send(messages[:1], lambda: True),
            ]
            async with asyncio.timeout(20), came:
                await came.wait_for(lambda: len(reports) >= len(outcomes))
            return outcomes
        finally:
            await plug_in.close()

    try:
        with peer("http://127.0.0.1/receipts/x") as opened:
            opened.client.put("/settings", json={"latency_ms": 5}).raise_for_status()
            messages = [
                Outgoing(
                    str(uuid4()),
                    f"+2547{n:08}",
                    "ACME",
                    "hello",
                    1,
                    Tier.BULK,
                    1,
                    datetime(2026, 3, 1, tzinfo=UTC),
                )
                for n in range(20)
            ]
            outcomes = asyncio.run(send(opened.options, messages))
            stats = opened.client.get("/stats").json()
            opened.client.post("/reset")
            assert opened.client.get("/stats").json()["submits"] == 0
    except smpp.NotAvailable as missing:
        pytest.skip(str(missing))
    refs = [outcome.refs[0] for outcome in outcomes if isinstance(outcome, Accepted)]
    assert len(refs) == 21
    assert sorted(report.ref or "" for report in reports if isinstance(report, ReceiptReport)) == sorted(refs)
    assert (stats["submits"], stats["unique_references"], stats["duplicates"]) == (21, 20, 1)
    assert stats["receipts_sent"] == 21


def test_a_skipped_trial_is_reported() -> None:
    row = Row("SMPP", median("smpp, npm, 0 ms", "rate"), "messages/s", ">= 3,000")
    assert row.line({}) == "| SMPP | skipped | >= 3,000 |"
    assert row.line({"smpp, npm, 0 ms": [{"rate": 3000.0}]}) == "| SMPP | 3,000 messages/s | >= 3,000 |"
