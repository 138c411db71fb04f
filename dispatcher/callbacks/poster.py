"""
HTTP POST to URLs that producers chose.

Private addresses cannot be reached, redirects are not followed, an answer is
read up to a limit and discarded, and the look-up, the connection, the head and
the body of the answer each have a deadline.
"""

import asyncio
import os
import ssl
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
from yarl import URL

from dispatcher.callbacks.connector import PrivateAddress, open_connector
from dispatcher.callbacks.look_ups import LookUps, SlowLookUp
from dispatcher.domain.callbacks.callback import CallbackReply, CallbackRequest
from dispatcher.domain.callbacks.slots import MAX_CALLS, MAX_CALLS_OF_HOST
from dispatcher.domain.callbacks.urls import UrlRules, check_url
from dispatcher.version import USER_AGENT

_PUBLIC: Final = UrlRules()
_MAX_ANSWER_BYTES: Final = 65_536
_MAX_RETRY_AFTER: Final = timedelta(days=1)


class HttpPoster:
    """
    A Poster on aiohttp for one event loop; it opens connections at the first call.

    `rules` are checked before each call. `look_ups` replaces the system's
    resolver. `timeout` limits a call until the head of its answer, including
    the wait for a free connection, and `body_timeout` the rest of the answer.
    """

    def __init__(
        self,
        *,
        rules: UrlRules = _PUBLIC,
        look_ups: LookUps | None = None,
        timeout: timedelta = timedelta(seconds=10),
        connect_timeout: timedelta = timedelta(seconds=5),
        body_timeout: timedelta = timedelta(seconds=2),
    ) -> None:
        self._rules = rules
        self._look_ups = look_ups or LookUps()
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._body_timeout = body_timeout
        self._opened: aiohttp.ClientSession | None = None

    async def post(self, call: CallbackRequest) -> CallbackReply:
        """
        Make the call once and return its reply. A network error is a reply without a status.

        A status counts as soon as it has arrived, even if the rest of the
        answer is too slow, too long or missing.
        """
        if wrong := check_url(call.url, self._rules):
            return CallbackReply(None, wrong, refused=True)
        url = URL(call.url, encoded=True)  # byte for byte: a producer may have signed it
        request = self._session().post(url, data=call.body, headers=call.headers, allow_redirects=False)
        reply: CallbackReply | None = None
        try:
            async with asyncio.timeout(self._timeout.total_seconds()) as limit, request as response:
                reply = _reply(response)
                limit.reschedule(asyncio.get_running_loop().time() + self._body_timeout.total_seconds())
                await _discard(response)
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            if reply is None:
                await self._look_ups.hung(url.host or "", url.port or 0)
            return reply or CallbackReply(None, self._describe(error))
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            return CallbackReply(None, "closed before a connection was made")
        return reply

    async def close(self) -> None:
        """Close all connections; may be called twice, or without an earlier call."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                connector=open_connector(
                    self._look_ups,
                    allow_private=self._rules.allow_private,
                    max_connections=MAX_CALLS,
                    max_per_host=MAX_CALLS_OF_HOST,
                ),
                timeout=aiohttp.ClientTimeout(sock_connect=self._connect_timeout.total_seconds()),
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._opened

    def _describe(self, error: Exception) -> str:
        match error:
            case PrivateAddress():
                return str(error)
            case aiohttp.ConnectionTimeoutError():
                return f"no connection within {self._connect_timeout.total_seconds():g} s"
            case TimeoutError():
                return f"no answer within {self._timeout.total_seconds():g} s"
            case aiohttp.ClientConnectorDNSError(os_error=SlowLookUp() as slow):
                return str(slow)
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
    """Return whether this task was cancelled; aiohttp also cancels waits when the pool is closed."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _reply(response: aiohttp.ClientResponse) -> CallbackReply:
    return CallbackReply(response.status, f"HTTP {response.status}", _retry_after(response))


async def _discard(response: aiohttp.ClientResponse) -> None:
    """Read the answer, so that its connection can be used again; close the connection if it is too long."""
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > _MAX_ANSWER_BYTES:
            response.close()
            return


def _retry_after(response: aiohttp.ClientResponse) -> timedelta | None:
    """Return Retry-After (RFC 9110, 10.2.3); a date is relative to the answer's Date, not to our clock."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return min(timedelta(seconds=int(value[:9])), _MAX_RETRY_AFTER)
    until, sent = _http_date(value), _http_date(response.headers.get("Date", ""))
    return min(max(until - sent, timedelta(0)), _MAX_RETRY_AFTER) if until and sent else None


def _http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else None


def _cause(error: Exception) -> str:
    """Return a short description: aiohttp's own messages repeat the host and the port."""
    match error:
        case ssl.SSLCertVerificationError():
            return error.verify_message
        case ssl.SSLError(reason=str(reason)):
            return reason.lower().replace("_", " ")
        case OSError(errno=int(number)):
            return os.strerror(number).lower()
    return str(error) or type(error).__name__
