"""The client: messages and campaigns of one account."""

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
    Sends for one account. Create one and keep it: all threads may share it.

    Nothing is opened before the first call. Every call raises DispatchError
    for errors that the caller can cause, and Unavailable. In asyncio code call
    it through `asyncio.to_thread`: it blocks for some milliseconds.
    """

    def __init__(self, settings: Settings, *, account: str) -> None:
        if not settings.providers:
            raise Misconfigured(
                "DISPATCHER_PROVIDERS is empty here: give it the same value as the API and the workers have,"
                " otherwise every message is refused with status 28, no route"
            )
        self._settings = settings
        self._account = account
        self._lock = threading.Lock()
        self._thread: ProducerThread | None = None
        self._closed = False
        self._has_lock = False
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
        Return the accepted batch of one text to one or many numbers; it is committed, all or nothing.

        A number is in E.164, or national if the account has a country, with or without separators.
        `sender` is the name or the number of a sender ID of the account; None
        is the default one. Times need a zone. Raises InvalidSubmission with
        all faults, NotEnoughCredit, Invalid.
        """
        thread = self._current_thread()
        settings = self._settings

        async def work() -> AcceptedBatch:
            country = thread.caller.account.default_country
            submission = Submission(
                recipients=[to] if isinstance(to, str) else list(to),
                text=text,
                numbers=NumberPolicy(
                    default_country=country,
                    national=True,
                    lenient=True,
                    simulated=settings.simulated_numbers,
                ),
                tier=_tier(tier),
                sender_id=await thread.sender_id(sender),
                not_before=not_before,
                not_after=not_after,
                strip_diacritics=strip_diacritics,
                stop_mention=stop_mention,
            )
            return await submit(thread.ctx, thread.caller, submission)

        return thread.run(work())

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
        faults, AlreadyExists, Invalid; then nothing is stored.
        """
        thread = self._current_thread()
        plan = CampaignPlan(
            name=name,
            audience_id=audience if isinstance(audience, str) else "",
            text=text,
            template_id=template_id,
            sender=sender,
            tier=_tier(tier),
            validity=validity,
            timezone=timezone,
            at=thread.ctx.now() if at is None and cron is None else at,
            cron=cron,
            first_day=first_day,
            last_day=last_day,
            spread=spread,
            per_second=per_second,
            hours=hours,
            max_cost=max_cost,
            callback_url=callback_url,
        )
        made = thread.run(create(thread, plan, None if isinstance(audience, str) else audience))
        return Campaign(self._current_thread, str(made.public_id), made.terms.name)

    def status(self, message_id: int) -> Status:
        """Return the status of a message. Raises NotFound, also for one that `cancel` withdrew."""
        thread = self._current_thread()
        found = search.message(thread.ctx, message_id, caller=thread.caller, with_withdrawn=False)
        return thread.run(found).status

    def cancel(self, message_id: int) -> bool:
        """Withdraw a message before it is sent; False if it is too late. Raises NotFound."""
        thread = self._current_thread()
        return thread.run(withdraw.one(thread.ctx, thread.caller, message_id))

    def close(self) -> None:
        """
        Wait for the calls in progress, then end the thread and close all connections.

        A process that ends without this loses nothing: the clock finds ids that
        did not reach their lane, after 2 seconds if critical, else 30.
        """
        with self._lock:
            thread, self._thread, self._closed = self._thread, None, True
        if thread is not None:
            thread.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _current_thread(self) -> ProducerThread:
        with self._lock:
            if self._closed:
                raise RuntimeError("this Dispatcher is closed")
            if self._thread is None or not self._thread.is_running:
                self._thread = ProducerThread.start(self._settings, self._account, after=self._thread)
            return self._thread

    def _before_fork(self) -> None:
        """Wait for a start in progress and stop the thread, so that the child has no half-imported module."""
        self._has_lock = self._lock.acquire(timeout=_START_WAIT)
        if self._thread is not None:
            self._thread.hold()

    def _after_fork(self) -> None:
        if self._thread is not None:
            self._thread.release()
        if self._has_lock:
            self._has_lock = False
            self._lock.release()

    def _forget(self) -> None:
        """Drop the parent's thread: it does not run in this process, and its connections are the parent's."""
        self._has_lock = False
        if self._thread is not None:
            _parents_threads.append(self._thread)
        self._thread, self._lock = None, threading.Lock()


def _tier(name: Tier | str) -> Tier:
    try:
        return Tier(name)
    except ValueError:
        raise Invalid(f"{name!r} is not a tier: give one of {', '.join(Tier)}") from None


_instances: "weakref.WeakSet[Dispatcher]" = weakref.WeakSet()
_parents_threads: list[ProducerThread] = []
"""Kept in a child until it ends: garbage collection would close connections that the parent still uses."""


def _hold_all() -> None:
    for dispatcher in list(_instances):
        dispatcher._before_fork()


def _release_all() -> None:
    for dispatcher in list(_instances):
        dispatcher._after_fork()


def _forget_all() -> None:
    for dispatcher in list(_instances):
        dispatcher._forget()


os.register_at_fork(before=_hold_all, after_in_parent=_release_all, after_in_child=_forget_all)
