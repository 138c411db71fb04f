"""The generic HTTP provider: everything particular to one provider is in its options."""

import asyncio
from collections.abc import Sequence

import httpx

from dispatcher.domain.errors import BadReceipt
from dispatcher.domain.provider import (
    Gate,
    Outcome,
    Outgoing,
    ProviderConfig,
    ReceiptRequest,
    Report,
    Unknown,
    Unsent,
)
from dispatcher.providers.client import call, open_client
from dispatcher.providers.http import answer, receipt
from dispatcher.providers.http.options import read_options
from dispatcher.providers.http.request import Blank


class HttpProvider:
    """One HTTP request a message. Open it inside the running loop; Misconfigured if an option is wrong."""

    def __init__(self, config: ProviderConfig, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._options = read_options(config.name, config.options)
        self._call_timeout = config.call_timeout
        self._client = open_client(
            max_connections=config.max_connections,
            connect_timeout=min(self._options.connect_timeout, config.call_timeout),
            keep_alive=self._options.keep_alive,
            proxy=self._options.proxy.get_secret_value() if self._options.proxy else None,
            transport=transport,
        )
        self._blank = Blank(self._options, usual=self._client.headers)

    @property
    def max_batch(self) -> int:
        """One."""
        return 1

    async def send(self, batch: Sequence[Outgoing], gate: Gate) -> Sequence[Outcome]:
        """Send each message in a request of its own, all at once."""
        if len(batch) == 1:
            return [await self._send_one(batch[0], gate)]
        return await asyncio.gather(*(self._send_one(message, gate) for message in batch))

    def read_receipt(self, request: ReceiptRequest) -> Sequence[Report]:
        """Verify and read what came to the receipt URL."""
        if self._options.receipts is None:
            raise BadReceipt("this provider has no receipts; describe them in its options")
        return receipt.read(request, self._options.receipts)

    async def close(self) -> None:
        """Close all connections; calls still running end as Unknown or Unsent."""
        await self._client.aclose()

    async def _send_one(self, message: Outgoing, gate: Gate) -> Outcome:
        request = self._blank.fill(message)
        ended = await call(self._client, request, gate=gate, call_timeout=self._call_timeout)
        match ended:
            case Unsent() | Unknown():
                return ended
        return answer.judge(ended, self._options)
