"""The sender IDs of accounts."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from dispatcher.api.manage.dependencies import Ctx, NamedAccount
from dispatcher.api.manage.fields import PathId, RequestModel, ResponseModel, Text
from dispatcher.api.manage.paging import Page, Paged
from dispatcher.api.manage.problems import problems
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.domain.errors import Invalid
from dispatcher.service.accounts import accounts

_PATH = f"{PREFIX}/accounts/{{name}}/senders"
router = operator_router("Senders")


class SenderResponse(ResponseModel):
    """A sender ID; submissions without a sender use the default one."""

    id: int
    name: str
    is_default: bool
    disabled_at: datetime | None


class SenderRequest(RequestModel):
    """A new sender ID."""

    name: Text


class NewSenderResponse(ResponseModel):
    """A sender ID that was added."""

    id: int
    name: str


class SenderChangeRequest(RequestModel):
    """Changes of a sender ID. An account has one default: a new one replaces it."""

    disabled: bool | None = None
    default: Literal[True] | None = Field(None, description="Make it the account's default.")


@router.get(_PATH, responses=problems(_404="No such account"))
async def list_senders(account: NamedAccount, ctx: Ctx, paging: Paged) -> Page[SenderResponse]:
    """List an account's senders, the oldest first."""
    found = await accounts.sender_page(ctx, account, after=paging.after, limit=paging.probe)
    return paging.page(found, SenderResponse.model_validate)


@router.post(
    _PATH,
    status_code=201,
    responses=problems(_404="No such account", _409="The account has this sender already"),
)
async def add_sender(body: SenderRequest, account: NamedAccount, ctx: Ctx) -> NewSenderResponse:
    """Add a sender ID; the first of an account is its default."""
    return NewSenderResponse(id=await accounts.add_sender(ctx, account, body.name), name=body.name)


@router.patch(
    f"{_PATH}/{{sender_id}}",
    responses=problems(_404="No such account or sender", _409="A disabled sender cannot be the default"),
)
async def change_sender(
    body: SenderChangeRequest, sender_id: PathId, account: NamedAccount, ctx: Ctx
) -> SenderResponse:
    """
    Disable or enable a sender, or make it the default.

    Messages of a disabled sender end with status 24 when they are due.
    """
    if body.disabled is None and body.default is None:
        raise Invalid("set `disabled`, `default` or both")
    changed = None
    if body.disabled is not None:
        changed = await accounts.disable_sender(ctx, account, sender_id, disabled=body.disabled)
    if body.default:
        changed = await accounts.make_default_sender(ctx, account, sender_id)
    return SenderResponse.model_validate(changed)
