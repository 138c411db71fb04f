"""The generic HTTP provider: everything particular to one provider is in its options."""

import asyncio
import time
from collections.abc import Callable, Sequence

import httpx

from dispatcher.providers.contract import (
    BadReceipt,
    Gate,
    Outcome,
    Outgoing,
    ProviderConfig,
    ProviderReports,
    ReceiptRequest,
    Unknown,
    Unsent,
)
from dispatcher.providers.generic_http import outcomes, receipt
from dispatcher.providers.generic_http.batch import BatchFormat
from dispatcher.providers.generic_http.options import read_options
from dispatcher.providers.generic_http.request import RequestTemplate
from dispatcher.providers.http_client.client import call, open_client


class HttpProvider:
    """
    One HTTP request a message, or for as many as the options allow.

    Open it inside the running loop; Misconfigured if an option is wrong.
    """

    def __init__(
        self,
        config: ProviderConfig,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._options = read_options(config.name, config.options)
        self._call_timeout = config.call_timeout
        self._clock = clock
        self._client = open_client(
            max_connections=config.max_connections,
            connect_timeout=min(self._options.connect_timeout, config.call_timeout),
            keep_alive=self._options.keep_alive,
            wire=self._options.wire,
            proxy=self._options.proxy.get_secret_value() if self._options.proxy else None,
            transport=transport,
        )
        own = self._options.receipt_url
        receipt_url = own.get_secret_value() if own else config.receipt_url
        self._blank = RequestTemplate(self._options, usual=self._client.headers, receipt_url=receipt_url)

    @property
    def max_batch(self) -> int:
        """What the options say of a batch; else one."""
        return self._options.batch.max if self._options.batch else 1

    async def send(self, batch: Sequence[Outgoing], gate: Gate) -> Sequence[Outcome]:
        """Send all in one request where the options have a batch; else each in its own, all at once."""
        if self._options.batch is not None:
            return await self._send_all(self._options.batch, batch, gate)
        if len(batch) == 1:
            return [await self._send_one(batch[0], gate)]
        return await asyncio.gather(*(self._send_one(message, gate) for message in batch))

    def read_receipt(self, request: ReceiptRequest) -> Sequence[ProviderReports]:
        """Verify and read what came to the receipt URL."""
        if self._options.receipts is None:
            raise BadReceipt("this provider has no receipts; describe them in its options")
        return receipt.read_reports(request, self._options.receipts, self._options.inbound, now=self._clock())

    async def close(self) -> None:
        """Close all connections; calls still running end as Unknown or Unsent."""
        await self._client.aclose()

    async def _send_one(self, message: Outgoing, gate: Gate) -> Outcome:
        request = self._blank.fill(message)
        ended = await call(self._client, request, gate=gate, call_timeout=self._call_timeout)
        match ended:
            case Unsent() | Unknown():
                return ended
        return outcomes.outcome_of(ended, self._options)

    async def _send_all(
        self, batch: BatchFormat, messages: Sequence[Outgoing], gate: Gate
    ) -> Sequence[Outcome]:
        request = self._blank.fill_all(batch, messages)
        ended = await call(self._client, request, gate=gate, call_timeout=self._call_timeout)
        match ended:
            case Unsent() | Unknown():
                return [ended] * len(messages)
        return outcomes.outcomes_of(ended, self._options, batch, messages)
