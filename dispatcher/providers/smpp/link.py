"""Keeping one bind up: connect, bind, look whether the SMSC is alive, and again when it is gone."""

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
    One bind of one provider. `run` keeps it up until it is cancelled.

    `tell_why` hears why there is none. A connection that fails is tried again
    after pauses that grow from half a second to half a minute; a bind that is
    refused, after `refused_pause`, for only an operator can mend it.
    """

    def __init__(
        self,
        name: str,
        options: SmppOptions,
        *,
        command: Command,
        tls: ssl.SSLContext | None,
        answer_within: timedelta,
        open_session: OpenSession,
        tell_why: Callable[[str], None],
    ) -> None:
        self._name = name
        self._options = options
        self._command = command
        self._answer_within = answer_within.total_seconds()
        self._open_session = open_session
        self._tell_why = tell_why
        self._tls = tls
        self._bind = Bind(
            options.system_id, options.password.get_secret_value(), options.system_type
        ).encode()
        self._rng = random.Random()  # noqa: S311 - spreads retries, hides nothing
        self._said = ""

    async def run(self) -> None:
        """Bind, again and again; cancelled, take leave of the SMSC."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            refused = False
            try:
                session = await self._connect()
                began = loop.time()
                why = await self._hold(session)
                failures = 0 if loop.time() - began > _STABLE_AFTER else failures
            except BindRefused as error:
                refused, why = True, str(error)
            except (OSError, TimeoutError) as error:
                why = f"no connection: {str(error) or 'it took too long'}"
            except Exception as error:  # a bug of ours must not leave this bind down for ever
                log.exception("smpp_link_crashed", provider=self._name)
                why = f"a bug: {type(error).__name__}"
            failures += 1
            self._lost(why)
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
        self._said = ""
        log.info("smpp_bound", provider=self._name)
        return session

    async def _hold(self, session: Session) -> str:
        """Look, whenever nothing was heard for a while, if the SMSC is there; give the reason of the end."""
        try:
            while not session.closed.done():
                heard = session.heard
                await asyncio.wait([session.closed], timeout=self._options.enquire_link.total_seconds())
                if session.heard != heard or session.closed.done():
                    continue
                sign = session.enquire()
                ends: tuple[asyncio.Future[Any], ...] = (session.closed, sign)
                await asyncio.wait(ends, timeout=self._answer_within, return_when=asyncio.FIRST_COMPLETED)
                if not sign.done():
                    session.abort("the SMSC is silent")
        except asyncio.CancelledError:
            await self._leave(session)
            raise
        return await session.closed

    async def _leave(self, session: Session) -> None:
        session.unbind()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(session.closed), _UNBIND_TIMEOUT)
        session.abort("we left")
        await session.closed

    def _lost(self, why: str) -> None:
        self._tell_why(f"not bound: {why}")
        if why != self._said:  # each state once, not each try
            self._said = why
            log.warning("smpp_not_bound", provider=self._name, reason=why)

    def _pause(self, failures: int, *, refused: bool) -> timedelta:
        if refused:
            return self._options.refused_pause * (0.5 + self._rng.random() / 2)
        return backoff(failures, base=_BASE, cap=_CAP, rng=self._rng)
