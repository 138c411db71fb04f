"""The URLs of an account that are told of each message from a handset."""

from datetime import datetime
from typing import Annotated

from fastapi import Path

from dispatcher.api.manage.dependencies import Ctx, NamedAccount
from dispatcher.api.manage.fields import Plain, RequestModel, ResponseModel
from dispatcher.api.manage.mapping import INBOUND_RECEIVED
from dispatcher.api.manage.problems import problems
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.domain.accounts.account import Caller
from dispatcher.service.accounts.credentials import MANAGE
from dispatcher.service.callbacks import webhooks

_PATH = f"{PREFIX}/accounts/{{name}}/webhooks"
router = operator_router("Inbound messages")


class WebhookRequest(RequestModel):
    """A URL. The same `id` again replaces what was there; without one it is made up."""

    url: Plain
    id: Plain | None = None


class WebhookResponse(ResponseModel):
    """A URL, and the event it is told of."""

    id: str
    url: str
    event: str
    created_at: datetime


class WebhooksResponse(ResponseModel):
    """All of an account's, the oldest first."""

    items: list[WebhookResponse]


@router.get(_PATH, responses=problems(_404="No such account"))
async def list_webhooks(account: NamedAccount, ctx: Ctx) -> WebhooksResponse:
    """List the URLs that are told of messages from handsets; there are at most 50."""
    found = await webhooks.every(ctx, Caller(account, MANAGE))
    return WebhooksResponse(items=[WebhookResponse.model_validate(webhook) for webhook in found])


@router.post(_PATH, status_code=201, responses=problems(_404="No such account"))
async def add_webhook(given: WebhookRequest, account: NamedAccount, ctx: Ctx) -> WebhookResponse:
    """Have a URL told of each message from a handset to a sender of the account, from now on."""
    made = await webhooks.register(
        ctx, Caller(account, MANAGE), id=given.id, url=given.url, event=INBOUND_RECEIVED, inbound=True
    )
    return WebhookResponse.model_validate(made)


@router.delete(f"{_PATH}/{{webhook_id}}", status_code=204, responses=problems(_404="No such account"))
async def remove_webhook(
    webhook_id: Annotated[str, Path(description="One that is not there is none to mind.")],
    account: NamedAccount,
    ctx: Ctx,
) -> None:
    """Tell a URL no more. What was written for it already is still told."""
    await webhooks.remove(ctx, Caller(account, MANAGE), webhook_id)
