"""What plug-ins that send each message in an HTTP request of its own share: options, calls and polls."""

import asyncio
import re
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Final, TypeVar

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

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

MAX_CONCURRENT_POLLS: Final = 8
"""How many questions of a poll are open at a time, so that they leave the connections to messages."""

FORM_CONTENT_TYPE: Final = "application/x-www-form-urlencoded"

_M = TypeVar("_M", bound="PluginOptions")


def _checked_url(url: str) -> str:
    parsed = _parsed_url(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError("this is not an absolute http or https URL")
    if parsed.userinfo:
        raise ValueError("no user and password in a URL, where logs keep them")
    if parsed.query or parsed.fragment:
        raise ValueError("this URL must end with its path")
    return url.rstrip("/")


def _checked_proxy(secret: SecretStr) -> SecretStr:
    url = _parsed_url(secret.get_secret_value())
    if url.scheme != "http" or not url.host or url.raw_path != b"/":
        raise ValueError("this is no proxy: write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT")
    return secret


def _parsed_url(text: str) -> httpx.URL:
    try:
        return httpx.URL(text)
    except httpx.InvalidURL as wrong:
        raise ValueError(f"this is no URL: {wrong}") from None


def _one_line(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", secret.get_secret_value()):
        raise ValueError(
            "a secret is one line of ASCII without blanks around it; look for a newline at the end"
        )
    return secret


Url = Annotated[str, AfterValidator(_checked_url)]
Secret = Annotated[SecretStr, AfterValidator(_one_line)]


class PluginOptions(BaseModel):
    """The options every such plug-in has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Url
    wire: Wire = "ours"
    proxy: Annotated[SecretStr, AfterValidator(_checked_proxy)] | None = None
    connect_timeout: timedelta = Field(timedelta(seconds=3), gt=timedelta(0))
    keep_alive: timedelta = Field(timedelta(seconds=4), ge=timedelta(0))


def read_options(model: type[_M], config: ProviderConfig) -> _M:
    """Check all options; Misconfigured names every faulty one, and never a secret's value."""
    try:
        return model.model_validate(dict(config.options))
    except ValidationError as wrong:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'options'}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in wrong.errors(include_input=False, include_url=False)
        )
        raise Misconfigured(f"provider {config.name}: {faults}") from None


def basic_auth(username: str, password: SecretStr) -> str:
    """Say who we are in an Authorization header (RFC 7617)."""
    pair = f"{username}:{password.get_secret_value()}"
    return f"Basic {b64encode(pair.encode()).decode()}"


class HttpPlugin(ABC):
    """
    A provider that takes one message a request; a plug-in says what to write and what an answer means.

    `headers` go with every request. Open it inside the running loop.
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
        """One."""
        return 1

    async def send(self, batch: Sequence[Outgoing], gate: Gate) -> Sequence[Outcome]:
        """Send each message in a request of its own, all at once."""
        if len(batch) == 1:
            return [await self._send_one(batch[0], gate)]
        return await asyncio.gather(*(self._send_one(message, gate) for message in batch))

    async def close(self) -> None:
        """Close all connections; calls still running end as Unknown or Unsent."""
        await self._client.aclose()

    @abstractmethod
    def _request(self, message: Outgoing) -> httpx.Request:
        """Write the request for this message, with `_post`."""

    @abstractmethod
    def _judge(self, message: Outgoing, response: httpx.Response) -> Outcome:
        """Say what this answer means for its message."""

    def _post(self, message: Outgoing, url: httpx.URL, *, content_type: str, body: bytes) -> httpx.Request:
        headers = [*self._headers, (b"Content-Type", content_type.encode())]
        if message.traceparent is not None:
            headers.append((b"traceparent", message.traceparent.encode("ascii")))
        headers.append((b"Content-Length", b"%d" % len(body)))
        return httpx.Request("POST", url, headers=headers, stream=httpx.ByteStream(body))

    async def _ask(self, url: str) -> httpx.Response:
        """Get what is at this URL, be it an error. Raises Unavailable when there is no answer."""
        request = httpx.Request("GET", url, headers=self._headers)
        ended = await call(self._client, request, gate=lambda: True, call_timeout=self._call_timeout)
        match ended:
            case Unsent(reason=reason) | Unknown(reason=reason):
                raise Unavailable(f"the provider cannot be asked: {reason}")
        return ended

    async def _send_one(self, message: Outgoing, gate: Gate) -> Outcome:
        ended = await call(self._client, self._request(message), gate=gate, call_timeout=self._call_timeout)
        match ended:
            case Unsent() | Unknown():
                return ended
        return self._judge(message, ended)


async def poll_concurrently(
    refs: Sequence[str], ask: Callable[[str], Awaitable[ReceiptReport | None]]
) -> Sequence[ReceiptReport]:
    """
    Ask for each message by itself, a few at a time.

    What could not be asked is left out. Raises Unavailable when nothing could
    be asked.
    """
    room = asyncio.Semaphore(MAX_CONCURRENT_POLLS)

    async def one(ref: str) -> ReceiptReport | Unavailable | None:
        async with room:
            try:
                return await ask(ref)
            except Unavailable as away:
                return away

    answers = await asyncio.gather(*map(one, refs))
    away = [answer for answer in answers if isinstance(answer, Unavailable)]
    if away and len(away) == len(answers):
        raise away[0]
    return [answer for answer in answers if isinstance(answer, ReceiptReport)]
