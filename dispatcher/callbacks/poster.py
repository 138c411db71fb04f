"""
Posts to URLs that strangers chose.

Private addresses are out of reach, redirects are not followed, an answer is
read to a limit and thrown away, and no call takes longer than its time-out.
"""

import asyncio
import os
import ssl
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
from yarl import URL

from dispatcher.callbacks.connector import HostLookup, PrivateAddress, open_connector
from dispatcher.domain.callbacks.callback import CallbackReply, CallbackRequest, check_url

_CONNECTIONS: Final = 100
_CONNECTIONS_PER_HOST: Final = 10
_ANSWER_BYTES: Final = 65_536
_LONGEST_RETRY_AFTER: Final = timedelta(days=1)


class HttpPoster:
    """
    A Poster on aiohttp, for one event loop; its connections are opened with the first call.

    `allow_private` is for development. `resolver` stands in for the system's.
    `timeout` bounds a whole call, the wait for a free connection included.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        resolver: HostLookup | None = None,
        timeout: timedelta = timedelta(seconds=10),
        connect_timeout: timedelta = timedelta(seconds=5),
    ) -> None:
        self._allow_private = allow_private
        self._resolver = resolver
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._opened: aiohttp.ClientSession | None = None

    async def post(self, call: CallbackRequest) -> CallbackReply:
        """
        Make the call once. Whatever the network does becomes a Reply.

        A status counts as soon as it is there, though the rest of the answer
        may come too slowly, too long or not at all.
        """
        if wrong := check_url(call.url, allow_private=self._allow_private):
            return CallbackReply(None, wrong, refused=True)
        url = URL(call.url, encoded=True)  # to the letter: a producer may have signed it
        request = self._session().post(url, data=call.body, headers=call.headers, allow_redirects=False)
        reply: CallbackReply | None = None
        try:
            async with asyncio.timeout(self._timeout.total_seconds()), request as response:
                reply = _reply(response)
                await _discard(response)
        except PrivateAddress as refusal:
            return CallbackReply(None, str(refusal), refused=True)
        except (aiohttp.ClientError, OSError) as error:
            return reply or CallbackReply(None, self._words(error))
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            return CallbackReply(None, "closed before there was a connection")
        return reply

    async def close(self) -> None:
        """Close all connections; safe to call twice, or where there was no call."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                connector=open_connector(
                    self._resolver,
                    allow_private=self._allow_private,
                    max_connections=_CONNECTIONS,
                    max_per_host=_CONNECTIONS_PER_HOST,
                ),
                timeout=aiohttp.ClientTimeout(sock_connect=self._connect_timeout.total_seconds()),
                headers={"User-Agent": "sms-dispatcher", "Accept-Encoding": "identity"},
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._opened

    def _words(self, error: Exception) -> str:
        match error:
            case aiohttp.ConnectionTimeoutError():
                return f"no connection within {self._connect_timeout.total_seconds():g} s"
            case TimeoutError():
                return f"no answer within {self._timeout.total_seconds():g} s"
            case aiohttp.ClientConnectorDNSError():
                return f"no address was found for the host {error.host}"
            case aiohttp.ClientConnectorCertificateError():
                return f"the certificate is not valid: {_cause(error.certificate_error)}"
            case aiohttp.ClientSSLError():
                return f"no TLS connection: {_cause(error.os_error)}"
            case aiohttp.ServerDisconnectedError():
                return "the server hung up without an answer"
            case aiohttp.ClientResponseError():
                return "the answer is not HTTP"
        return _cause(error)


def _is_cancelled() -> bool:
    """Tell whether this task was; aiohttp itself cancels the wait for a connection of a pool that closes."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _reply(response: aiohttp.ClientResponse) -> CallbackReply:
    return CallbackReply(response.status, f"HTTP {response.status}", _retry_after(response))


async def _discard(response: aiohttp.ClientResponse) -> None:
    """Read the answer, so that its connection can be used again; hang up on one that is too long."""
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > _ANSWER_BYTES:
            response.close()
            return


def _retry_after(response: aiohttp.ClientResponse) -> timedelta | None:
    """Read Retry-After (RFC 9110, 10.2.3); a date counts from the answer's own Date, so no clock is asked."""
    said = response.headers.get("Retry-After", "").strip()
    if said.isdecimal():
        return min(timedelta(seconds=int(said[:9])), _LONGEST_RETRY_AFTER)
    then, sent = _http_date(said), _http_date(response.headers.get("Date", ""))
    return min(max(then - sent, timedelta(0)), _LONGEST_RETRY_AFTER) if then and sent else None


def _http_date(text: str) -> datetime | None:
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return when if when.tzinfo else None


def _cause(error: Exception) -> str:
    """Say it shortly: aiohttp's own words repeat the host and the port."""
    match error:
        case ssl.SSLCertVerificationError():
            return error.verify_message
        case ssl.SSLError(reason=str(reason)):
            return reason.lower().replace("_", " ")
        case OSError(errno=int(number)):
            return os.strerror(number).lower()
    return str(error) or type(error).__name__
