"""Keeping one bind open: connect, bind, check that the SMSC is alive, and reconnect."""

import asyncio
import random
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import structlog

from dispatcher.domain.delivery.retry import backoff
from dispatcher.providers.smpp.options import SmppOptions
from dispatcher.providers.smpp.session import BindRefused, Session
from dispatcher.smpp.constants import Command
from dispatcher.smpp.pdu import Bind

log = structlog.get_logger()

_BASE, _CAP = timedelta(milliseconds=500), timedelta(seconds=30)
_STABLE_AFTER = 10.0
_UNBIND_TIMEOUT = 1.0

OpenSession = Callable[[], Session]


class Link:
    """
    One bind of one provider. `run` keeps it open until it is cancelled.

    `on_down` receives the reason when there is no bind. A failed connection is
    retried after pauses that grow from half a second to half a minute. A refused
    bind is retried after `refused_pause`, because only an operator can correct it.
    """

    def __init__(
        self,
        name: str,
        options: SmppOptions,
        *,
        command: Command,
        tls: ssl.SSLContext | None,
        response_timeout: timedelta,
        open_session: OpenSession,
        on_down: Callable[[str], None],
    ) -> None:
        self._name = name
        self._options = options
        self._command = command
        self._response_timeout = response_timeout.total_seconds()
        self._open_session = open_session
        self._on_down = on_down
        self._tls = tls
        self._bind = Bind(
            options.system_id, options.password.get_secret_value(), options.system_type
        ).encode()
        self._rng = random.Random()  # noqa: S311 - spreads retries, not a secret
        self._last_reason = ""

    async def run(self) -> None:
        """Bind and rebind until cancelled, then unbind."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            refused = False
            try:
                session = await self._connect()
                bound_at = loop.time()
                reason = await self._keep_alive(session)
                failures = 0 if loop.time() - bound_at > _STABLE_AFTER else failures
            except BindRefused as error:
                refused, reason = True, str(error)
            except (OSError, TimeoutError) as error:
                reason = f"no connection: {str(error) or 'it took too long'}"
            except Exception as error:  # after a bug of ours, the bind must still come back
                log.exception("smpp_link_crashed", provider=self._name)
                reason = f"a bug: {type(error).__name__}"
            failures += 1
            self._report_down(reason)
            await asyncio.sleep(self._pause(failures, refused=refused).total_seconds())

    async def _connect(self) -> Session:
        options = self._options
        async with asyncio.timeout(options.connect_timeout.total_seconds()):
            _, session = await asyncio.get_running_loop().create_connection(
                self._open_session,
                options.host,
                options.port,
                ssl=self._tls,
            )
            try:
                await session.bind(self._command, self._bind)
            except BaseException:
                session.abort("it was not bound")
                raise
        self._last_reason = ""
        log.info("smpp_bound", provider=self._name)
        return session

    async def _keep_alive(self, session: Session) -> str:
        """Send enquire_link whenever the SMSC is silent, and return the reason why the session ended."""
        try:
            while not session.closed.done():
                received = session.pdus_received
                await asyncio.wait([session.closed], timeout=self._options.enquire_link.total_seconds())
                if session.pdus_received != received or session.closed.done():
                    continue
                next_pdu = session.enquire()
                ends: tuple[asyncio.Future[Any], ...] = (session.closed, next_pdu)
                await asyncio.wait(ends, timeout=self._response_timeout, return_when=asyncio.FIRST_COMPLETED)
                if not next_pdu.done():
                    session.abort("the SMSC is silent")
        except asyncio.CancelledError:
            await self._unbind(session)
            raise
        return await session.closed

    async def _unbind(self, session: Session) -> None:
        session.unbind()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(session.closed), _UNBIND_TIMEOUT)
        session.abort("we closed the connection")
        await session.closed

    def _report_down(self, reason: str) -> None:
        self._on_down(f"not bound: {reason}")
        if reason != self._last_reason:  # log each state once, not each attempt
            self._last_reason = reason
            log.warning("smpp_not_bound", provider=self._name, reason=reason)

    def _pause(self, failures: int, *, refused: bool) -> timedelta:
        if refused:
            return self._options.refused_pause * (0.5 + self._rng.random() / 2)
        return backoff(failures, base=_BASE, cap=_CAP, rng=self._rng)
