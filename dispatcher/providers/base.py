"""The base of plug-ins that send one message per HTTP request: options, calls and polls."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final, TypeVar

import httpx
from pydantic import Field, ValidationError

from dispatcher.providers.answer_check import AnswerCheck
from dispatcher.providers.contract import (
    Gate,
    Misconfigured,
    Outcome,
    Outgoing,
    ProviderConfig,
    ReceiptReport,
    Unavailable,
    Unknown,
    Unsent,
)
from dispatcher.providers.http_client.client import Wire, call, open_client
from dispatcher.providers.option_types import ProxyUrl, Secret, Url, basic_auth
from dispatcher.strict_model import StrictModel, describe

__all__ = [
    "FORM_CONTENT_TYPE",
    "MAX_CONCURRENT_POLLS",
    "HttpPlugin",
    "PluginOptions",
    "Secret",
    "Url",
    "basic_auth",
    "poll_concurrently",
    "read_options",
]

MAX_CONCURRENT_POLLS: Final = 8
"""How many requests of a poll are open at a time, so that messages get the other connections."""

FORM_CONTENT_TYPE: Final = "application/x-www-form-urlencoded"

_M = TypeVar("_M", bound="PluginOptions")


class PluginOptions(StrictModel):
    """The options that all these plug-ins have."""

    url: Url
    wire: Wire = "ours"
    proxy: ProxyUrl | None = None
    connect_timeout: timedelta = Field(timedelta(seconds=3), gt=timedelta(0))
    keep_alive: timedelta = Field(timedelta(seconds=4), ge=timedelta(0))


def read_options(model: type[_M], config: ProviderConfig) -> _M:
    """Return the options. Raises Misconfigured, which names every faulty option and no secret's value."""
    try:
        return model.model_validate(dict(config.options))
    except ValidationError as error:
        raise Misconfigured(f"provider {config.name}: {describe(error, config.options)}") from None


class HttpPlugin(ABC):
    """
    A provider that takes one message per request. A plug-in builds the request and interprets the response.

    `headers` are sent with every request. Create it inside the running loop.
    """

    def __init__(
        self,
        config: ProviderConfig,
        options: PluginOptions,
        *,
        headers: Mapping[str, str],
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        self._call_timeout = config.call_timeout
        self._answers = AnswerCheck()
        self._client = open_client(
            max_connections=config.max_connections,
            connect_timeout=min(options.connect_timeout, config.call_timeout),
            keep_alive=options.keep_alive,
            wire=options.wire,
            proxy=options.proxy.get_secret_value() if options.proxy else None,
            transport=transport,
        )
        fixed = httpx.Headers([(b"Host", httpx.URL(options.url).netloc)])
        fixed.update(self._client.headers)
        fixed.update(headers)
        self._headers = fixed.raw

    @property
    def max_batch(self) -> int:
        """One message per request."""
        return 1

    async def send(self, batch: Sequence[Outgoing], gate: Gate) -> Sequence[Outcome]:
        """Send each message in a request of its own, all concurrently, and return their outcomes."""
        if len(batch) == 1:
            return [await self._send_one(batch[0], gate)]
        return await asyncio.gather(*(self._send_one(message, gate) for message in batch))

    async def close(self) -> None:
        """Close all connections; calls in progress end as Unknown or Unsent."""
        await self._client.aclose()

    @abstractmethod
    def _build_request(self, message: Outgoing) -> httpx.Request:
        """Return the request for this message, made with `_post`."""

    @abstractmethod
    def _outcome(self, message: Outgoing, response: httpx.Response) -> Outcome:
        """Return the outcome that this response means for its message."""

    def _post(self, message: Outgoing, url: httpx.URL, *, content_type: str, body: bytes) -> httpx.Request:
        headers = [*self._headers, (b"Content-Type", content_type.encode())]
        if message.traceparent is not None:
            headers.append((b"traceparent", message.traceparent.encode("ascii")))
        headers.append((b"Content-Length", b"%d" % len(body)))
        return httpx.Request("POST", url, headers=headers, stream=httpx.ByteStream(body))

    async def _get(self, url: str) -> httpx.Response:
        """Return the response of this URL, an error too. Raises Unavailable if there is no response."""
        request = httpx.Request("GET", url, headers=self._headers)
        response = await call(self._client, request, gate=lambda: True, call_timeout=self._call_timeout)
        match response:
            case Unsent(reason=reason) | Unknown(reason=reason):
                raise Unavailable(f"the provider cannot be polled: {reason}")
        return response

    async def _send_one(self, message: Outgoing, gate: Gate) -> Outcome:
        response = await call(
            self._client, self._build_request(message), gate=gate, call_timeout=self._call_timeout
        )
        match response:
            case Unsent() | Unknown():
                return response
        return self._answers.checked(response, [message], [self._outcome(message, response)])[0]


async def poll_concurrently(
    refs: Sequence[str], poll_one: Callable[[str], Awaitable[ReceiptReport | None]]
) -> Sequence[ReceiptReport]:
    """
    Return the reports of these messages, each polled by itself, a few at a time.

    Messages whose poll failed are left out. Raises Unavailable when every poll
    failed.
    """
    slots = asyncio.Semaphore(MAX_CONCURRENT_POLLS)

    async def limited(ref: str) -> ReceiptReport | Unavailable | None:
        async with slots:
            try:
                return await poll_one(ref)
            except Unavailable as error:
                return error

    results = await asyncio.gather(*map(limited, refs))
    errors = [result for result in results if isinstance(result, Unavailable)]
    if errors and len(errors) == len(results):
        raise errors[0]
    return [result for result in results if isinstance(result, ReceiptReport)]
