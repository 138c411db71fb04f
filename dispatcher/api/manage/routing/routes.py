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
    """The table in force. Without one `document` is empty, and `set_at` and `set_by` are null."""

    document: dict[str, JsonValue]
    set_at: datetime | None
    set_by: str | None


class RoutesSetResponse(RoutesResponse):
    """The table now in force, with warnings about entries that are probably mistakes."""

    warnings: list[str]


@router.get(_PATH)
async def show_routes(ctx: Ctx) -> RoutesResponse:
    """Show the table in force."""
    return RoutesResponse.model_validate(await routes.table_in_force(ctx))


@router.put(_PATH)
async def set_routes(
    body: Annotated[dict[str, JsonValue], Body(description="`rules` and `senders`; {} removes the table.")],
    ctx: Ctx,
    operator: OperatorName,
) -> RoutesSetResponse:
    """Put a table in force, in all processes within about a second; an error lists all faults."""
    warnings = await routes.set_table(ctx, body, by=operator)
    found = await routes.table_in_force(ctx)
    return RoutesSetResponse(
        document=dict(found.document), set_at=found.set_at, set_by=found.set_by, warnings=list(warnings)
    )
