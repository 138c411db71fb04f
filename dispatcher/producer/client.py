"""The client: messages and campaigns of one account."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from types import TracebackType
from typing import Self
from uuid import UUID

from dispatcher.domain.campaigns.campaign import CampaignPlan
from dispatcher.domain.messages.edit import EditReport
from dispatcher.domain.messages.status import Status
from dispatcher.domain.messages.submission import AcceptedBatch
from dispatcher.domain.tier import Tier
from dispatcher.producer import messages, sending
from dispatcher.producer.arguments import check_audience, check_campaign, read_tier, required
from dispatcher.producer.campaign import Campaign, create
from dispatcher.producer.lifecycle import ThreadOwner
from dispatcher.producer.requests import read_request
from dispatcher.service.inbound.messages import FoundInbound
from dispatcher.service.messages.search import CountedBatch, History, MessageView
from dispatcher.settings import Settings, load_settings


class Dispatcher(ThreadOwner):
    """
    Sends for one account. Create one and keep it: all threads may share it.

    Nothing is opened before the first call. Every call raises DispatchError
    for errors that the caller can cause, and Unavailable; TypeError for an
    argument of a wrong type. In asyncio code call it through
    `asyncio.to_thread`: it blocks for some milliseconds. With `test` messages
    cost nothing, and reach only providers that take tests.
    """

    def __init__(self, settings: Settings, *, account: str, test: bool = False) -> None:
        super().__init__(settings, account=account, test=test)

    @classmethod
    def from_env(cls, *, account: str, test: bool = False) -> Self:
        """Return one with the settings of the environment (DATABASE_URL, …). Raises Misconfigured."""
        return cls(load_settings(), account=account, test=test)

    def send(
        self,
        to: str | Iterable[str],
        text: str | None = None,
        *,
        template_id: str | None = None,
        variables: Mapping[str, str] | None = None,
        tier: Tier | str = Tier.STANDARD,
        sender: str | int | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        validity: timedelta | None = None,
        idempotency_key: str | None = None,
        external_id: str | None = None,
        client_id: str = "",
        callback_url: str | None = None,
        invalid_numbers: str = "refuse",
        repeats: str = "keep",
        without_credit: str = "refuse",
        strip_diacritics: bool = False,
        stop_mention: bool = False,
        traceparent: str | None = None,
        connection: object = None,
    ) -> AcceptedBatch:
        """
        Return the accepted batch of one text, or one template, to one or many numbers: all or nothing.

        It is committed; with `connection` it is a part of the transaction of
        that connection (psycopg's, SQLAlchemy's or Django's), and is committed
        or rolled back with it. A number is in E.164, or national if the
        account has a country, with or without separators. `sender` is the name or the number of a sender
        ID of the account; None is the default one. Times need a zone;
        `validity` is the length of the window, instead of its end. A call that
        is repeated with its `idempotency_key` within 24 hours returns the same
        batch, and sends nothing. `external_id` is an id of your own, unique
        for the account; `client_id` is a remark. Each event is posted to
        `callback_url`. Raises InvalidSubmission with all faults,
        NotEnoughCredit, AlreadyExists, KeyReused, StillRunning, LimitExceeded,
        Forbidden, Invalid.
        """
        request = read_request(
            to,
            text=text,
            template_id=template_id,
            variables=variables,
            tier=tier,
            sender=sender,
            not_before=not_before,
            not_after=not_after,
            validity=validity,
            idempotency_key=idempotency_key,
            external_id=external_id,
            client_id=client_id,
            callback_url=callback_url,
            invalid_numbers=invalid_numbers,
            repeats=repeats,
            without_credit=without_credit,
            strip_diacritics=strip_diacritics,
            stop_mention=stop_mention,
            traceparent=traceparent,
        )
        if connection is None:
            return sending.send(self._current_thread(), request)
        return sending.send_joined(self._current_thread(), request, connection)

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
        required("name", name, str)
        check_audience(audience)
        check_campaign(
            {
                "text": text,
                "template_id": template_id,
                "sender": sender,
                "cron": cron,
                "timezone": timezone,
                "callback_url": callback_url,
            },
            {
                "at": (at, datetime),
                "first_day": (first_day, date),
                "last_day": (last_day, date),
                "spread": (spread, timedelta),
                "per_second": (per_second, float),
                "validity": (validity, timedelta),
                "max_cost": (max_cost, int),
            },
        )
        thread = self._current_thread()
        plan = CampaignPlan(
            name=name,
            audience_id=audience if isinstance(audience, str) else "",
            text=text,
            template_id=template_id,
            sender=sender,
            tier=read_tier(tier),
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

    def status(self, message_id: int | UUID) -> Status:
        """Return the status of a message, by its id or its public id. Raises NotFound."""
        return self.message(message_id).status

    def message(self, message_id: int | UUID) -> MessageView:
        """Return a message with its text, its number, its times and its status. Raises NotFound."""
        return messages.history(self._current_thread(), message_id).message

    def history(self, message_id: int | UUID) -> History:
        """Return a message with its events, the oldest first. Raises NotFound."""
        return messages.history(self._current_thread(), message_id)

    def explain(self, message_id: int | UUID) -> Sequence[str]:
        """Return sentences on where a message is, what it waits for and what delayed it. Raises NotFound."""
        return messages.explained(self._current_thread(), message_id)

    def messages(
        self,
        *,
        number: str | None = None,
        status: Status | Iterable[Status] | None = None,
        tier: Tier | str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[MessageView]:
        """
        Yield the messages that match, the newest first; they are read in pages.

        They were accepted from `since` up to but excluding `until`. Raises Invalid.
        """
        conditions = messages.read_conditions(
            number=number, status=status, tier=tier, since=since, until=until
        )
        return messages.found(self._current_thread, conditions)

    def batch(self, batch_id: int | UUID | str) -> CountedBatch:
        """
        Return a batch with the number of its messages in each status. Raises NotFound.

        It is named by its id, its public id, or your own external id (a str).
        """
        return messages.batch(self._current_thread(), batch_id)

    def cancel(self, message_id: int | UUID) -> bool:
        """
        Withdraw a message before it is sent; False if it is too late. Raises NotFound.

        A message that is withdrawn already stays so, and the answer is True.
        """
        return messages.cancel(self._current_thread(), message_id)

    def cancel_batch(self, batch_id: int | UUID | str) -> int:
        """Withdraw the messages of a batch that still wait, and return how many. Raises NotFound."""
        return messages.cancel_batch(self._current_thread(), batch_id)

    def reschedule(
        self,
        *,
        message_id: int | UUID | None = None,
        batch_id: int | UUID | str | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        shift: timedelta | None = None,
    ) -> EditReport:
        """
        Give a message, or the messages of a batch, another window: new times, or a shift of both.

        Messages that were sent, or are being sent, are counted and stay as they
        are. Raises NotFound and Invalid.
        """
        change = messages.read_window(not_before=not_before, not_after=not_after, shift=shift)
        return messages.edit(self._current_thread(), change, message_id=message_id, batch_id=batch_id)

    def change_text(
        self, text: str, *, message_id: int | UUID | None = None, batch_id: int | UUID | str | None = None
    ) -> EditReport:
        """
        Give a message, or the messages of a batch, another text.

        Messages that were sent, or are being sent, are counted and stay as they
        are. Raises NotFound, Invalid, InvalidSubmission and NotEnoughCredit.
        """
        change = messages.read_text(text)
        return messages.edit(self._current_thread(), change, message_id=message_id, batch_id=batch_id)

    def inbound(self, *, number: str | None = None) -> Iterator[FoundInbound]:
        """Yield the messages from phones, the newest first; `number` is the phone's. Raises Invalid."""
        return messages.inbound(self._current_thread, number)

    def balance(self) -> int:
        """Return the credits that the account has."""
        thread = self._current_thread()
        return thread.run(thread.read_caller()).account.balance

    def close(self) -> None:
        """
        Wait for the calls in progress, then end the thread and close all connections.

        A process that ends without this loses nothing: the clock finds ids that
        did not reach their lane, after 2 seconds if critical, else 30.
        """
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
