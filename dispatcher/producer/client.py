"""Enqueue from Python: messages and campaigns of one account."""

import os
import threading
import weakref
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from types import TracebackType
from typing import Self

from dispatcher.domain.campaigns.campaign import CampaignPlan
from dispatcher.domain.errors import Invalid, Misconfigured
from dispatcher.domain.messages.status import Status
from dispatcher.domain.messages.submission import AcceptedBatch, Submission
from dispatcher.domain.numbers.msisdn import NumberPolicy
from dispatcher.domain.tier import Tier
from dispatcher.producer.campaign import Campaign, create
from dispatcher.producer.loop_thread import ProducerThread
from dispatcher.service.messages import search, withdraw
from dispatcher.service.submissions.submit import submit
from dispatcher.settings import Settings, load_settings

_START_WAIT = 10.0


class Dispatcher:
    """
    Sends for one account. Make one and keep it: all threads may share it.

    Nothing is opened before the first call. Every call raises DispatchError
    for faults that the caller can cause, and Unavailable. In asyncio code call
    it through `asyncio.to_thread`: it blocks for some milliseconds.
    """

    def __init__(self, settings: Settings, *, account: str) -> None:
        if not settings.providers:
            raise Misconfigured(
                "DISPATCHER_PROVIDERS is empty here: give it the same value as the API and the workers have,"
                " else every message is born with status 28, no route"
            )
        self._settings = settings
        self._account = account
        self._lock = threading.Lock()
        self._engine: ProducerThread | None = None
        self._closed = False
        self._is_held = False
        _instances.add(self)

    @classmethod
    def from_env(cls, *, account: str) -> Self:
        """Return one with the settings of the environment (DATABASE_URL, …). Raises Misconfigured."""
        return cls(load_settings(), account=account)

    def send(
        self,
        to: str | Sequence[str],
        text: str,
        *,
        tier: Tier | str = Tier.STANDARD,
        sender: str | int | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        strip_diacritics: bool = False,
        stop_mention: bool = False,
    ) -> AcceptedBatch:
        """
        Return the accepted batch of one text to one or many numbers, all or nothing; it is committed.

        A number is in E.164, or national if the account has a country.
        `sender` is the name or the number of a sender ID of the account; None
        is the default one. Times need a zone. Raises InvalidSubmission with
        all faults, NotEnoughCredit, Invalid.
        """
        engine = self._running()
        settings = self._settings

        async def work() -> AcceptedBatch:
            country = engine.caller.account.default_country
            submission = Submission(
                recipients=[to] if isinstance(to, str) else list(to),
                text=text,
                numbers=NumberPolicy(
                    default_country=country, national=True, simulated=settings.simulated_numbers
                ),
                tier=_tier(tier),
                sender_id=await engine.sender_id(sender),
                not_before=not_before,
                not_after=not_after,
                strip_diacritics=strip_diacritics,
                stop_mention=stop_mention,
            )
            return await submit(engine.ctx, engine.caller, submission)

        return engine.run(work())

    def campaign(
        self,
        name: str,
        *,
        audience: str | Iterable[Mapping[str, object]],
        text: str = "",
        template_id: str | None = None,
        sender: str | None = None,
        tier: Tier | str = Tier.BULK,
        at: datetime | None = None,
        cron: str | None = None,
        timezone: str | None = None,
        first_day: date | None = None,
        last_day: date | None = None,
        spread: timedelta | None = None,
        per_second: float | None = None,
        hours: Mapping[str, object] | None = None,
        validity: timedelta | None = None,
        max_cost: int | None = None,
        callback_url: str | None = None,
    ) -> Campaign:
        """
        Return a new campaign; it is a draft until `start()`.

        `audience` is the name of an existing one, or rows such as
        `{"to": number, "name": "Jane"}`, which become an audience with the
        campaign's name; they are read once, in another thread. Without `at`
        and `cron` it runs when it is started. Raises InvalidPlan with all
        faults, AlreadyExists, Invalid; then nothing is kept.
        """
        engine = self._running()
        plan = CampaignPlan(
            name=name,
            audience_id=audience if isinstance(audience, str) else "",
            text=text,
            template_id=template_id,
            sender=sender,
            tier=_tier(tier),
            validity=validity,
            timezone=timezone,
            at=engine.ctx.now() if at is None and cron is None else at,
            cron=cron,
            first_day=first_day,
            last_day=last_day,
            spread=spread,
            per_second=per_second,
            hours=hours,
            max_cost=max_cost,
            callback_url=callback_url,
        )
        made = engine.run(create(engine, plan, None if isinstance(audience, str) else audience))
        return Campaign(self._running, str(made.public_id), made.terms.name)

    def status(self, message_id: int) -> Status:
        """Return the status of a message. Raises NotFound, also for one that was cancelled here."""
        engine = self._running()
        found = search.message(engine.ctx, message_id, caller=engine.caller, with_withdrawn=False)
        return engine.run(found).status

    def cancel(self, message_id: int) -> bool:
        """Withdraw a message before it goes out; False if it is too late. Raises NotFound."""
        engine = self._running()
        return engine.run(withdraw.one(engine.ctx, engine.caller, message_id))

    def close(self) -> None:
        """
        End the thread and close all connections, once the calls under way have ended.

        A process that ends without it loses nothing: the clock finds ids that
        did not reach their lane, after 2 seconds if critical, else 30.
        """
        with self._lock:
            engine, self._engine, self._closed = self._engine, None, True
        if engine is not None:
            engine.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _running(self) -> ProducerThread:
        with self._lock:
            if self._closed:
                raise RuntimeError("this Dispatcher is closed")
            if self._engine is None or not self._engine.is_running:
                self._engine = ProducerThread.start(self._settings, self._account, after=self._engine)
            return self._engine

    def _before_fork(self) -> None:
        """Wait for a start under way and hold the thread, so that the child has no half-imported module."""
        self._is_held = self._lock.acquire(timeout=_START_WAIT)
        if self._engine is not None:
            self._engine.hold()

    def _after_fork(self) -> None:
        if self._engine is not None:
            self._engine.release()
        if self._is_held:
            self._is_held = False
            self._lock.release()

    def _forget(self) -> None:
        """Leave the parent's engine alone: its thread is not here, and its connections are the parent's."""
        self._is_held = False
        if self._engine is not None:
            _parents_threads.append(self._engine)
        self._engine, self._lock = None, threading.Lock()


def _tier(name: Tier | str) -> Tier:
    try:
        return Tier(name)
    except ValueError:
        raise Invalid(f"{name!r} is no tier: give {', '.join(Tier)}") from None


_instances: "weakref.WeakSet[Dispatcher]" = weakref.WeakSet()
_parents_threads: list[ProducerThread] = []
"""Kept for ever in a child: collecting it would close what the parent still uses."""


def _hold_all() -> None:
    for dispatcher in list(_instances):
        dispatcher._before_fork()


def _release_all() -> None:
    for dispatcher in list(_instances):
        dispatcher._after_fork()


def _forget_the_parents() -> None:
    for dispatcher in list(_instances):
        dispatcher._forget()


os.register_at_fork(before=_hold_all, after_in_parent=_release_all, after_in_child=_forget_the_parents)
