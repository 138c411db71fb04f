"""Reading and changing what was sent from Python: messages, batches, and the answers of phones."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from dispatcher.domain.messages.edit import Change, EditReport, NewText, Reschedule, Selection
from dispatcher.domain.messages.status import Status
from dispatcher.producer.arguments import (
    optional,
    read_batch_id,
    read_id,
    read_tier,
    read_time,
    required,
    wrong,
)
from dispatcher.producer.loop_thread import ProducerThread
from dispatcher.service.health.readiness import lanes
from dispatcher.service.inbound import messages as inbound_messages
from dispatcher.service.inbound.messages import FoundInbound
from dispatcher.service.messages import edits, search, withdraw
from dispatcher.service.messages.explain import explain
from dispatcher.service.messages.search import CountedBatch, History, MessageFilter, MessageView
from dispatcher.service.routing import routes

_PAGE = 500


def history(thread: ProducerThread, message_id: object) -> History:
    """Return a message with its text and its events. Raises NotFound."""
    name = read_id("message_id", message_id)
    return thread.run(search.history(thread.ctx, name, caller=thread.caller, with_text=True))


def explained(thread: ProducerThread, message_id: object) -> list[str]:
    """Return sentences on where a message is. Raises NotFound."""
    name, ctx = read_id("message_id", message_id), thread.ctx

    async def work() -> list[str]:
        found = await search.history(ctx, name, caller=thread.caller)
        await routes.ensure_table(ctx)
        route = routes.route_sentence(ctx, found.message)
        return list(explain(found, now=ctx.now(), consumed=await lanes(ctx), route=route))

    return thread.run(work())


@dataclass(frozen=True, slots=True)
class MessageConditions:
    """Conditions on messages; `number` is as it was given."""

    wanted: MessageFilter
    number: str | None


def read_conditions(
    *, number: object, status: object, tier: object, since: object, until: object
) -> MessageConditions:
    """Return the conditions on messages. Raises TypeError and Invalid."""
    wanted = MessageFilter(
        statuses=_statuses(status),
        tier=None if tier is None else read_tier(tier),
        since=read_time("since", since),
        until=read_time("until", until),
    )
    return MessageConditions(wanted, optional("number", number, str))


def found(
    current_thread: Callable[[], ProducerThread], conditions: MessageConditions
) -> Iterator[MessageView]:
    """Yield the account's messages that were sent from Python and match, the newest first. Raises Invalid."""
    account = current_thread().account
    number = None if conditions.number is None else search.read_search_number(conditions.number, account)
    wanted = replace(conditions.wanted, account_id=account.id, number=number)
    before: int | None = None
    while True:
        thread = current_thread()
        page = thread.run(search.messages(thread.ctx, wanted, before=before, limit=_PAGE, with_text=True))
        yield from (message for message in page.items if message.dialect == thread.caller.dialect)
        if (before := page.next) is None:
            return


def batch(thread: ProducerThread, batch_id: object) -> CountedBatch:
    """Return a batch with the counts of its messages. Raises NotFound."""
    name = read_batch_id("batch_id", batch_id)
    return thread.run(search.own_counted_batch(thread.ctx, thread.caller, name))


def cancel(thread: ProducerThread, message_id: object) -> bool:
    """Return whether a message is withdrawn, now or before. Raises NotFound."""
    name = read_id("message_id", message_id)

    async def work() -> bool:
        message = await search.message(thread.ctx, name, caller=thread.caller)
        if message.status is Status.WITHDRAWN:
            return True
        return await withdraw.one(thread.ctx, thread.caller, message.id)

    return thread.run(work())


def cancel_batch(thread: ProducerThread, batch_id: object) -> int:
    """Withdraw the messages of a batch that still wait and return how many. Raises NotFound."""
    name = read_batch_id("batch_id", batch_id)

    async def work() -> int:
        found = await search.own_batch(thread.ctx, thread.caller, name)
        return await withdraw.batch(thread.ctx, thread.caller, found.id)

    return thread.run(work())


def read_window(*, not_before: object, not_after: object, shift: object) -> Reschedule:
    """Return a change of windows. Raises TypeError and Invalid."""
    return Reschedule(
        read_time("not_before", not_before),
        read_time("not_after", not_after),
        optional("shift", shift, timedelta),
    )


def read_text(text: object) -> NewText:
    """Return a change of texts. Raises TypeError and Invalid."""
    return NewText(required("text", text, str))


def edit(thread: ProducerThread, change: Change, *, message_id: object, batch_id: object) -> EditReport:
    """Change a message, or the messages of a batch. Raises TypeError and what `edits.edit` does."""
    if (message_id is None) == (batch_id is None):
        raise TypeError("give either message_id or batch_id")
    of_message = None if message_id is None else read_id("message_id", message_id)
    of_batch = None if batch_id is None else read_batch_id("batch_id", batch_id)
    ctx, caller = thread.ctx, thread.caller

    async def work() -> EditReport:
        if of_message is not None:
            message = (await search.message(ctx, of_message, caller=caller)).id
            selection = Selection(caller.account, message=message)
        else:
            assert of_batch is not None
            selection = Selection(caller.account, batch=(await search.own_batch(ctx, caller, of_batch)).id)
        return await edits.edit(ctx, selection, change)

    return thread.run(work())


def inbound(current_thread: Callable[[], ProducerThread], number: object) -> Iterator[FoundInbound]:
    """Yield the account's messages from phones, the newest first. Raises TypeError and Invalid."""
    sender = optional("number", number, str)
    before: int | None = None
    while True:
        thread = current_thread()
        page = thread.run(
            inbound_messages.page(
                thread.ctx, account=thread.account, number=sender, before=before, limit=_PAGE, with_text=True
            )
        )
        yield from page
        if len(page) < _PAGE:
            return
        before = page[-1].id


def _statuses(status: object) -> frozenset[Status] | None:
    if status is None or isinstance(status, Status):
        return None if status is None else frozenset({status})
    if isinstance(status, str | bytes) or not isinstance(status, Iterable):
        raise wrong("status", status, "a Status or several")
    return frozenset(_status(each) for each in status)


def _status(value: object) -> Status:
    if not isinstance(value, Status):
        raise wrong("status", value, "a Status or several")
    return value
