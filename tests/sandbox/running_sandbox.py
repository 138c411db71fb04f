"""A sandbox, a provider with its options, and a receiver of its receipts, over real HTTP."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import httpx

from dispatcher.domain.delivery.provider import (
    Outcome,
    Outgoing,
    Provider,
    ProviderConfig,
    ReceiptReport,
    ReceiptRequest,
)
from dispatcher.domain.tier import Tier
from dispatcher.providers.generic_http import HttpProvider
from dispatcher.sandbox import SandboxSettings, http_options, serving
from tests.providers.peer import Got, Peer, Script, always, http_reply, listening

T = TypeVar("T")
SECRET = "a-receipt-secret"
TOKEN = "a-bearer-token"
OPEN = always(http_reply(200))


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """The sandbox, the provider and the receiver of one test."""

    url: str
    client: httpx.AsyncClient
    provider: Provider
    receiver: Peer

    async def send(
        self, to: str, *, reference: str = "m-1", segments: int = 1, attempt: int = 1, text: str = "hello"
    ) -> Outcome:
        message = Outgoing(
            reference, to, "ACME", text, segments, Tier.STANDARD, attempt, datetime(2026, 3, 1, tzinfo=UTC)
        )
        (outcome,) = await self.provider.send([message], lambda: True)
        return outcome

    async def stats(self) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = (await self.client.get("/stats")).json()
        return answer

    async def messages(self, **query: str | int) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = (await self.client.get("/messages", params=query)).json()
        return answer

    async def change(self, **settings: object) -> httpx.Response:
        return await self.client.put("/settings", json=settings)

    async def quiet(self) -> Mapping[str, Any]:
        """Wait until no receipt is pending."""
        async with asyncio.timeout(10):
            while (stats := await self.stats())["pending_receipts"]:
                pass
        return stats

    def reports(self) -> list[ReceiptReport]:
        """Return all received reports in order, read by the provider under test."""
        return [
            report
            for got in self.receiver.requests
            for report in self.provider.read_receipt(as_receipt(got))
            if isinstance(report, ReceiptReport)
        ]


def as_receipt(got: Got) -> ReceiptRequest:
    method, _, _ = got.head.partition(" ")
    lines = (line.split(":", 1) for line in got.head.split("\r\n")[1:])
    headers = {name.strip().lower(): value.strip() for name, value in lines}
    return ReceiptRequest(method, headers, dict(parse_qsl(urlsplit(got.target).query)), got.body)


@asynccontextmanager
async def running_sandbox(
    *, receiver: Script = OPEN, call_timeout: float = 5.0, receiver_port: int = 0, **settings: Any
) -> AsyncIterator[RunningSandbox]:
    """Yield a running sandbox, without latency and delays unless the settings say so."""
    fast = {
        "latency_ms": 0,
        "receipt_delay_ms": 0,
        "receipt_secret": SECRET,
        "token": TOKEN,
        "control_token": TOKEN,
        "post_to": ["127.0.0.1"],
    }
    async with (
        listening(receiver, port=receiver_port) as peer,
        serving(SandboxSettings.model_validate(fast | settings)) as url,
        httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}) as client,
    ):
        options = http_options(
            url, receipt_url=f"{peer.url}/receipts/sandbox", token=TOKEN, receipt_secret=SECRET
        )
        config = ProviderConfig("sandbox", "http", options, call_timeout=timedelta(seconds=call_timeout))
        provider = HttpProvider(config)
        try:
            yield RunningSandbox(url, client, provider, peer)
        finally:
            await provider.close()
