"""What a try of a callback comes to, for the callback and for its webhook, and how it is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.callbacks.callback import CallbackReply
from dispatcher.domain.callbacks.events import CallbackState
from dispatcher.domain.callbacks.retries import GONE, RetrySchedule
from dispatcher.service.context import Context
from dispatcher.store.callbacks import outbox, webhooks
from dispatcher.store.callbacks.outbox import CallbackResult, DueCallback
from dispatcher.store.callbacks.webhooks import WebhookTry

log = structlog.get_logger()

_MAX_ANSWER: Final = 200


@dataclass(frozen=True, slots=True)
class EndedTry:
    """The result of a try for its callback, and for its webhook if it has one that was called."""

    result: CallbackResult
    of_webhook: WebhookTry | None = None


def called(ctx: Context, due: DueCallback, reply: CallbackReply, retries: RetrySchedule) -> EndedTry:
    """Return what a call comes to: delivered, refused, given up, or another try later."""
    state, pause = _state(due, reply, retries, ctx)
    result = CallbackResult(
        due.id, due.tries, state, reply.reason[:_MAX_ANSWER], None if pause is None else ctx.now() + pause
    )
    if state is not CallbackState.WAITING:
        log.info("callback_ended", callback_id=due.id, state=state.value, tries=due.tries)
    if due.event.webhook_id is None:
        return EndedTry(result)
    of_webhook = WebhookTry(
        account_id=due.account_id,
        dialect=due.dialect,
        id=due.event.webhook_id,
        url=due.url,
        answer=result.answer,
        is_delivered=state is CallbackState.DELIVERED,
        has_ended=state is not CallbackState.WAITING,
        is_gone=reply.status == GONE,
    )
    return EndedTry(result, of_webhook)


def crashed(ctx: Context, due: DueCallback, retries: RetrySchedule) -> EndedTry:
    """Return what a try comes to that a bug of ours ended: another try later, and no word on the webhook."""
    return EndedTry(called(ctx, due, CallbackReply(None, "a fault of ours; see the log"), retries).result)


def not_called(due: DueCallback, why: str) -> EndedTry:
    """Return what becomes of a callback whose webhook is switched off."""
    answer = f"not called: the webhook is switched off, because {why}"[:_MAX_ANSWER]
    return EndedTry(CallbackResult(due.id, due.tries, CallbackState.REFUSED, answer, None))


async def write(ctx: Context, ended: Sequence[EndedTry]) -> None:
    """Write results, and switch off the webhooks that are gone or have failed for too long."""
    now = ctx.now()
    tries = [one.of_webhook for one in ended if one.of_webhook is not None]
    failing_before = now - timedelta(seconds=ctx.settings.callback_disable_after)

    async def work(connection: AsyncConnection) -> Sequence[webhooks.DisabledWebhook]:
        await outbox.record_results(connection, [one.result for one in ended], now=now)
        if not tries:
            return ()
        return await webhooks.record_tries(connection, tries, failing_before=failing_before, now=now)

    for off in await ctx.database.transact(work):
        log.warning(
            "webhook_disabled",
            account=off.account,
            dialect=off.dialect,
            webhook=off.id,
            reason=off.disabled_reason,
        )


def _state(
    due: DueCallback, reply: CallbackReply, retries: RetrySchedule, ctx: Context
) -> tuple[CallbackState, timedelta | None]:
    """Return the state, and the pause before the next try. Only 2xx and 410 are a receiver's last word."""
    status = reply.status or 0
    if 200 <= status < 300:
        return CallbackState.DELIVERED, None
    if reply.refused or status == GONE:
        return CallbackState.REFUSED, None
    planned = retries.pause_after(due.tries, ctx.rng)
    if planned is None:
        return CallbackState.GIVEN_UP, None
    pause = max(planned, reply.retry_after or timedelta())
    if ctx.now() + pause > due.since + timedelta(seconds=ctx.settings.callback_max_age):
        return CallbackState.GIVEN_UP, None
    return CallbackState.WAITING, pause
