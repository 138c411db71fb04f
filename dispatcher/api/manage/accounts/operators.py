"""Operators: tokens for programs, console logins for people."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import Body, Response
from pydantic import Field, SecretStr

from dispatcher.api.manage.accounts.credentials import Days
from dispatcher.api.manage.dependencies import Ctx
from dispatcher.api.manage.fields import FromText, PathId, RequestModel, ResponseModel, Text
from dispatcher.api.manage.paging import Page, Paged
from dispatcher.api.manage.problems import problems
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts import credentials, operators
from dispatcher.service.accounts.credentials import MANAGE

_PATH = f"{PREFIX}/operators"
router = operator_router("Operators")

Kind = Literal["token", "login"]
_KINDS: dict[str, Kind] = {CredentialKind.BEARER: "token", CredentialKind.CONSOLE: "login"}


class OperatorResponse(ResponseModel):
    """An operator's token or login; `hint` is the beginning of a token."""

    id: int
    kind: Kind
    name: str | None
    hint: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class TokenRequest(RequestModel):
    """A new token, for a program."""

    kind: Literal["token"]
    name: Text | None = None
    validity_days: Days | None = Field(None, description="Null: it does not expire.")


class LoginRequest(RequestModel):
    """A new login, for a person, with the chosen password."""

    kind: Literal["login"]
    name: Text
    password: FromText[Annotated[SecretStr, Field(max_length=1000)]]


class NewOperatorResponse(ResponseModel):
    """A new token or login. A token's secret cannot be shown again; a login has only its password."""

    id: int
    kind: Kind
    name: str | None
    secret: str | None
    expires_at: datetime | None


@router.get(_PATH)
async def list_operators(ctx: Ctx, paging: Paged) -> Page[OperatorResponse]:
    """List operators' tokens and logins, the oldest first, revoked ones too."""
    found = await credentials.page(ctx, None, after=paging.after, limit=paging.probe)
    return paging.page(
        found,
        lambda c: OperatorResponse(
            id=c.id,
            kind=_KINDS[c.kind],
            name=c.name,
            hint=c.hint,
            created_at=c.created_at,
            expires_at=c.expires_at,
            revoked_at=c.revoked_at,
            last_used_at=c.last_used_at,
        ),
    )


@router.post(_PATH, status_code=201, responses=problems(_409="The name is taken"))
async def create_operator(
    body: Annotated[TokenRequest | LoginRequest, Body(discriminator="kind")], ctx: Ctx, response: Response
) -> NewOperatorResponse:
    """Create a token or a login."""
    response.headers["Cache-Control"] = "no-store"
    if isinstance(body, LoginRequest):
        made = await operators.create(ctx, body.name, body.password.get_secret_value())
        return NewOperatorResponse(id=made, kind="login", name=body.name, secret=None, expires_at=None)
    validity = None if body.validity_days is None else timedelta(days=body.validity_days)
    key = await credentials.create(
        ctx, None, CredentialKind.BEARER, dialect=MANAGE, name=body.name, validity=validity
    )
    return NewOperatorResponse(
        id=key.id, kind="token", name=key.name, secret=key.secret, expires_at=key.expires_at
    )


@router.delete(
    f"{_PATH}/{{operator_id}}",
    status_code=204,
    responses=problems(_404="No active token or login with this id"),
)
async def revoke_operator(operator_id: PathId, ctx: Ctx) -> None:
    """Revoke a token or a login, with immediate effect; your own is no exception."""
    await credentials.revoke(ctx, None, operator_id)
