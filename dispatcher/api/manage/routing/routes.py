"""The table of routes: which providers carry which messages."""

from datetime import datetime
from typing import Annotated

from fastapi import Body
from pydantic import JsonValue

from dispatcher.api.manage.dependencies import Ctx, OperatorName
from dispatcher.api.manage.fields import ResponseModel
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.service.routing import routes

_PATH = f"{PREFIX}/routes"
router = operator_router("Routes")


class RoutesResponse(ResponseModel):
    """The table in force. Without one it is empty, and nobody has set it."""

    document: dict[str, JsonValue]
    set_at: datetime | None
    set_by: str | None


class RoutesSetResponse(RoutesResponse):
    """The table in force now, and what in it is probably not meant."""

    warnings: list[str]


@router.get(_PATH)
async def show_routes(ctx: Ctx) -> RoutesResponse:
    """Show the table in force."""
    return RoutesResponse.model_validate(await routes.table_in_force(ctx))


@router.put(_PATH)
async def set_routes(
    given: Annotated[dict[str, JsonValue], Body(description="`rules` and `senders`; {} takes all away.")],
    ctx: Ctx,
    operator: OperatorName,
) -> RoutesSetResponse:
    """Put a table in force, within about a second in all processes; all that is wrong is told together."""
    told = await routes.set_table(ctx, given, by=operator)
    found = await routes.table_in_force(ctx)
    return RoutesSetResponse(
        document=dict(found.document), set_at=found.set_at, set_by=found.set_by, warnings=list(told)
    )
