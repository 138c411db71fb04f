"""Webhooks: the URLs of an account that get each message from a handset."""

from datetime import datetime
from typing import Annotated

from fastapi import Path

from dispatcher.api.manage.dependencies import Ctx, NamedAccount
from dispatcher.api.manage.fields import RequestModel, ResponseModel, Text
from dispatcher.api.manage.mapping import INBOUND_RECEIVED
from dispatcher.api.manage.problems import problems
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.domain.accounts.account import Caller
from dispatcher.service.accounts.credentials import MANAGE
from dispatcher.service.callbacks import webhooks
from dispatcher.service.callbacks.webhooks import Webhook

_PATH = f"{PREFIX}/accounts/{{name}}/webhooks"
router = operator_router("Inbound messages")


class WebhookRequest(RequestModel):
    """
    A URL. A webhook with the same `id` is replaced, and switched on; without an `id`, one is generated.
    """

    url: Text
    id: Text | None = None


class WebhookResponse(ResponseModel):
    """
    A URL, and the event that is sent to it.

    No try has succeeded since `failing_since`. A webhook that is switched off has `disabled_at`
    and `disabled_reason`; a POST with its `id` switches it on again.
    """

    id: str
    url: str
    event: str
    created_at: datetime
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None


class WebhooksResponse(ResponseModel):
    """All webhooks of an account, the oldest first."""

    items: list[WebhookResponse]


@router.get(_PATH, responses=problems(_404="No such account"))
async def list_webhooks(account: NamedAccount, ctx: Ctx) -> WebhooksResponse:
    """List the URLs that get messages from handsets; there are at most 50."""
    found = await webhooks.every(ctx, Caller(account, MANAGE))
    return WebhooksResponse(items=[_response(webhook) for webhook in found])


@router.post(_PATH, status_code=201, responses=problems(_404="No such account"))
async def add_webhook(body: WebhookRequest, account: NamedAccount, ctx: Ctx) -> WebhookResponse:
    """Send each new message from a handset to a sender of the account to this URL."""
    made = await webhooks.register(
        ctx, Caller(account, MANAGE), id=body.id, url=body.url, event=INBOUND_RECEIVED, inbound=True
    )
    return _response(made)


@router.delete(f"{_PATH}/{{webhook_id}}", status_code=204, responses=problems(_404="No such account"))
async def remove_webhook(
    webhook_id: Annotated[str, Path(description="The webhook's id; an unknown one is no error.")],
    account: NamedAccount,
    ctx: Ctx,
) -> None:
    """Remove a webhook. Callbacks that were already written for it are still sent."""
    await webhooks.remove(ctx, Caller(account, MANAGE), webhook_id)


def _response(webhook: Webhook) -> WebhookResponse:
    return WebhookResponse(
        id=webhook.id,
        url=webhook.url,
        event=webhook.event,
        created_at=webhook.created_at,
        failing_since=webhook.failing_since,
        disabled_at=webhook.disabled_at,
        disabled_reason=webhooks.disabled_words(webhook),
    )
