"""The generic HTTP provider. Its options describe everything that is specific to one provider."""

import asyncio
import time
from collections.abc import Callable, Sequence

import httpx

from dispatcher.providers.answer_check import AnswerCheck
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
from dispatcher.providers.unsigned import warn_if_unsigned


class HttpProvider:
    """
    One HTTP request per message, or per batch where the options have one.

    Create it inside the running loop. Raises Misconfigured if an option is wrong.
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
        self._answers = AnswerCheck()
        if self._options.receipts:
            warn_if_unsigned(config.name, self._options.receipts.signature)
        self._client = open_client(
            max_connections=config.max_connections,
            connect_timeout=min(self._options.connect_timeout, config.call_timeout),
            keep_alive=self._options.keep_alive,
            wire=self._options.wire,
            proxy=self._options.proxy.get_secret_value() if self._options.proxy else None,
            transport=transport,
        )
        own_url = self._options.receipt_url
        receipt_url = own_url.get_secret_value() if own_url else config.receipt_url
        self._template = RequestTemplate(
            self._options, defaults=self._client.headers, receipt_url=receipt_url, clock=clock
        )

    @property
    def max_batch(self) -> int:
        """The batch size of the options; one without a batch."""
        return self._options.batch.max if self._options.batch else 1

    async def send(self, batch: Sequence[Outgoing], gate: Gate) -> Sequence[Outcome]:
        """Send the messages in one request if the options have a batch, else each in its own."""
        if self._options.batch is not None:
            return await self._send_all(self._options.batch, batch, gate)
        if len(batch) == 1:
            return [await self._send_one(batch[0], gate)]
        return await asyncio.gather(*(self._send_one(message, gate) for message in batch))

    def read_receipt(self, request: ReceiptRequest) -> Sequence[ProviderReports]:
        """Verify and read a receipt or an inbound message. Raises BadSignature or BadReceipt."""
        if self._options.receipts is None:
            raise BadReceipt("this provider has no receipts; set receipts in its options")
        return receipt.read_reports(request, self._options.receipts, self._options.inbound, now=self._clock())

    async def close(self) -> None:
        """Close all connections; calls in progress end as Unknown or Unsent."""
        await self._client.aclose()

    async def _send_one(self, message: Outgoing, gate: Gate) -> Outcome:
        request = self._template.fill(message)
        response = await call(self._client, request, gate=gate, call_timeout=self._call_timeout)
        match response:
            case Unsent() | Unknown():
                return response
        return self._answers.checked(response, [message], [outcomes.outcome_of(response, self._options)])[0]

    async def _send_all(
        self, batch: BatchFormat, messages: Sequence[Outgoing], gate: Gate
    ) -> Sequence[Outcome]:
        request = self._template.fill_all(batch, messages)
        response = await call(self._client, request, gate=gate, call_timeout=self._call_timeout)
        match response:
            case Unsent() | Unknown():
                return [response] * len(messages)
        found = outcomes.outcomes_of(response, self._options, batch, messages)
        return self._answers.checked(response, messages, found)
