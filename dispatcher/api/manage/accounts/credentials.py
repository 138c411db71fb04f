"""The credentials of accounts: each is for one dialect."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from fastapi import Response
from pydantic import Field

from dispatcher.api.manage.dependencies import Ctx, NamedAccount
from dispatcher.api.manage.fields import FromText, PathId, RequestModel, ResponseModel, Text
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
    """The names of the dialects."""

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
"""The kinds of credentials of each dialect."""


class CredentialResponse(ResponseModel):
    """A credential without its secret; `hint` is the beginning of the secret."""

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
    A new credential for a dialect.

    Messages submitted with a test credential reach only providers that take tests,
    and cost nothing.
    """

    dialect: FromText[DialectName]
    kind: FromText[KindName]
    name: Text | None = Field(None, description="The public part; generated if the kind has one.")
    validity_days: Days | None = Field(None, description="Null: it does not expire.")
    test: bool = False


class NewCredentialResponse(ResponseModel):
    """A new credential. Its secret cannot be shown again."""

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
    body: CredentialRequest, account: NamedAccount, ctx: Ctx, response: Response
) -> NewCredentialResponse:
    """Create a credential. Only this response contains its secret."""
    kinds = KINDS[body.dialect]
    if body.kind not in kinds:
        raise Invalid(
            f"{body.dialect} has no credentials of the kind {body.kind}: choose {' or '.join(kinds)}"
        )
    key = await credentials.create(
        ctx,
        account,
        CredentialKind(body.kind),
        dialect=body.dialect,
        name=body.name,
        validity=None if body.validity_days is None else timedelta(days=body.validity_days),
        is_test=body.test,
    )
    response.headers["Cache-Control"] = "no-store"
    return NewCredentialResponse(
        id=key.id,
        dialect=body.dialect,
        kind=body.kind,
        name=key.name,
        secret=key.secret,
        expires_at=key.expires_at,
    )


@router.delete(
    f"{_PATH}/{{credential_id}}",
    status_code=204,
    responses=problems(_404="No such account, or it has no active credential with this id"),
)
async def revoke_credential(credential_id: PathId, account: NamedAccount, ctx: Ctx) -> None:
    """Revoke a credential, with immediate effect."""
    await credentials.revoke(ctx, account, credential_id)
