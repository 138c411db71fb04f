"""The credentials of accounts: each opens the door of one dialect."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from fastapi import Response
from pydantic import Field

from dispatcher.api.manage.dependencies import Ctx, NamedAccount
from dispatcher.api.manage.fields import Id, Plain, RequestModel, ResponseModel
from dispatcher.api.manage.paging import Page, Paged
from dispatcher.api.manage.problems import problems
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.domain.errors import Invalid
from dispatcher.service.accounts import credentials

_PATH = f"{PREFIX}/accounts/{{name}}/credentials"
router = operator_router("Credentials")

Days = Annotated[int, Field(ge=1, le=36_500)]


class DialectName(StrEnum):
    """The dialects, by the names of their doors."""

    EMESS = "emess"
    EMSGNOW = "emsgnow"
    FORMPOST = "formpost"
    SCHEDULER = "scheduler"
    SMSGATE = "smsgate"


class KindName(StrEnum):
    """The kinds of credentials that accounts have."""

    APP = CredentialKind.APP
    API_KEY = CredentialKind.API_KEY
    USER = CredentialKind.USER
    BEARER = CredentialKind.BEARER
    LOGIN = CredentialKind.LOGIN


KINDS: dict[DialectName, tuple[KindName, ...]] = {
    DialectName.EMESS: (KindName.APP,),
    DialectName.EMSGNOW: (KindName.API_KEY,),
    DialectName.FORMPOST: (KindName.USER, KindName.API_KEY),
    DialectName.SCHEDULER: (KindName.BEARER,),
    DialectName.SMSGATE: (KindName.LOGIN,),
}
"""What opens which door."""


class CredentialResponse(ResponseModel):
    """A credential, never its secret; `hint` is how that begins."""

    id: int
    dialect: str
    kind: str
    name: str | None
    hint: str
    is_test: bool
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class CredentialRequest(RequestModel):
    """
    A new credential: `dialect` and `kind` say which door it opens, and how.

    What a test credential sends reaches only providers that take tests, and
    costs nothing.
    """

    dialect: DialectName
    kind: KindName
    name: Plain | None = Field(None, description="The public half; made up where the kind has one.")
    validity_days: Days | None = Field(None, description="Null: it has no end.")
    test: bool = False


class NewCredentialResponse(ResponseModel):
    """A credential just made. The secret can never be shown again."""

    id: int
    dialect: str
    kind: str
    name: str | None
    secret: str
    expires_at: datetime | None


@router.get(_PATH, responses=problems(_404="No such account"))
async def list_credentials(account: NamedAccount, ctx: Ctx, paging: Paged) -> Page[CredentialResponse]:
    """List an account's credentials, the oldest first, revoked ones too."""
    found = await credentials.page(ctx, account, after=paging.after, limit=paging.probe)
    return paging.page(found, CredentialResponse.model_validate)


@router.post(
    _PATH,
    status_code=201,
    responses=problems(_404="No such account", _409="The name is taken"),
)
async def create_credential(
    given: CredentialRequest, account: NamedAccount, ctx: Ctx, response: Response
) -> NewCredentialResponse:
    """Make a credential. Its secret is in this answer, and nowhere else."""
    kinds = KINDS[given.dialect]
    if given.kind not in kinds:
        raise Invalid(f"{given.dialect} has no {given.kind}: give {' or '.join(kinds)}")
    key = await credentials.create(
        ctx,
        account,
        CredentialKind(given.kind),
        dialect=given.dialect,
        name=given.name,
        validity=None if given.validity_days is None else timedelta(days=given.validity_days),
        is_test=given.test,
    )
    response.headers["Cache-Control"] = "no-store"
    return NewCredentialResponse(
        id=key.id,
        dialect=given.dialect,
        kind=given.kind,
        name=key.name,
        secret=key.secret,
        expires_at=key.expires_at,
    )


@router.delete(
    f"{_PATH}/{{credential_id}}",
    status_code=204,
    responses=problems(_404="No such account, or no such credential that is not revoked"),
)
async def revoke_credential(credential_id: Id, account: NamedAccount, ctx: Ctx) -> None:
    """Revoke a credential, at once."""
    await credentials.revoke(ctx, account, credential_id)
