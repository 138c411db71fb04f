"""What handlers get from FastAPI besides parameters and bodies."""

from typing import Annotated

from fastapi import Depends, Path, Request

from dispatcher.api.manage.fields import Text
from dispatcher.api.runtime import context_of
from dispatcher.domain.accounts.account import Account
from dispatcher.service.accounts import accounts
from dispatcher.service.context import Context


async def _context(request: Request) -> Context:
    return context_of(request)


Ctx = Annotated[Context, Depends(_context)]
"""The context of the use cases."""


async def _account(name: Annotated[Text, Path(description="The account's name.")], ctx: Ctx) -> Account:
    return await accounts.find(ctx, name)


NamedAccount = Annotated[Account, Depends(_account)]
"""The account that the path names."""


async def _operator_name(request: Request) -> str:
    return str(request.state.operator)


OperatorName = Annotated[str, Depends(_operator_name)]
"""The name of the operator who sent the request."""
