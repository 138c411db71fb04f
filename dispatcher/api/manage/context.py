"""The context of the use cases, as a dependency of FastAPI."""

from typing import Annotated

from fastapi import Depends, Request

from dispatcher.api.runtime import context_of
from dispatcher.service.context import Context


async def _ctx(request: Request) -> Context:
    return context_of(request)


Ctx = Annotated[Context, Depends(_ctx)]
