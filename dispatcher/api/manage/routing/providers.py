"""How providers are, and what operators order of them."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from fastapi import Body

from dispatcher.api.manage.dependencies import Ctx, OperatorName
from dispatcher.api.manage.fields import Line, Plain, RequestModel, ResponseModel
from dispatcher.api.manage.problems import problems
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.domain.routing.provider_state import Breaker, Override
from dispatcher.service.routing import providers
from dispatcher.service.routing.providers import ProviderReport

_PATH = f"{PREFIX}/providers"
router = operator_router("Providers")
_UNKNOWN = problems(_404="No such provider")


class TurnResponse(ResponseModel):
    """A move of the breaker, or an operator's order: `by` is who gave it."""

    at: datetime
    to: Breaker | Override
    cause: str
    by: str | None


class WindowResponse(ResponseModel):
    """What came of a provider's messages in the last ten seconds, or since its breaker moved."""

    tried: int
    failed: int
    slow: int
    segments: int
    median_ms: int | None


class ProviderResponse(ResponseModel):
    """A provider: `window` is null while Redis cannot be reached, `out` counts what is in a call now."""

    name: str
    plugin: str
    tps: float
    breaker: Breaker
    order: Override
    until: datetime | None
    window: WindowResponse | None
    out: int
    story: list[TurnResponse]


class OrderRequest(RequestModel):
    """Why it is ordered; shown to all operators."""

    reason: Line = ""


class Verb(StrEnum):
    """What can be ordered."""

    PAUSE = "pause"
    RESUME = "resume"
    DRAIN = "drain"
    PIN = "pin"
    UNPIN = "unpin"


_ORDERS = {
    Verb.PAUSE: Override.PAUSED,
    Verb.RESUME: Override.NONE,
    Verb.DRAIN: Override.DRAINED,
    Verb.PIN: Override.PINNED,
    Verb.UNPIN: Override.NONE,
}


@router.get(_PATH)
async def list_providers(ctx: Ctx) -> list[ProviderResponse]:
    """Tell how all providers are, and what happened to each lately."""
    return [_shown(report) for report in await providers.every(ctx)]


@router.post(f"{_PATH}/{{name}}/{{verb}}", responses=_UNKNOWN)
async def order_provider(
    name: Plain, verb: Verb, given: Annotated[OrderRequest, Body()], ctx: Ctx, by: OperatorName
) -> ProviderResponse:
    """Order something of a provider: all processes do so within about a second."""
    return _shown(await providers.set_override(ctx, name, _ORDERS[verb], reason=given.reason, by=by))


def _shown(report: ProviderReport) -> ProviderResponse:
    window, config = report.window, report.config
    latency = None if window is None else window.latency
    return ProviderResponse(
        name=config.name,
        plugin=config.plugin,
        tps=config.tps,
        breaker=report.state.breaker,
        order=report.state.override,
        until=report.state.until,
        window=window
        and WindowResponse(
            tried=window.tried,
            failed=window.failed,
            slow=window.slow,
            segments=window.segments,
            median_ms=None if latency is None else latency // timedelta(milliseconds=1),
        ),
        out=report.in_flight,
        story=[TurnResponse.model_validate(turn) for turn in report.history],
    )
