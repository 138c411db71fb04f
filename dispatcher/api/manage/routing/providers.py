"""Providers: their state, and operators' overrides."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from fastapi import Body

from dispatcher.api.manage.dependencies import Ctx, OperatorName
from dispatcher.api.manage.fields import RequestModel, ResponseModel, ShortText, Text
from dispatcher.api.manage.problems import problems
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.domain.errors import NotConfirmed
from dispatcher.domain.routing.provider_state import BreakerPhase, Override
from dispatcher.service.routing import providers
from dispatcher.service.routing.providers import ProviderReport

_PATH = f"{PREFIX}/providers"
router = operator_router("Providers")
_UNKNOWN = problems(_404="No such provider", _409="A drain that must be confirmed, and what it would do")


class ProviderChangeResponse(ResponseModel):
    """A change of the breaker, or an override and the operator who set it (`by`)."""

    at: datetime
    to: BreakerPhase | Override
    cause: str
    by: str | None


class RecentOutcomesResponse(ResponseModel):
    """The outcomes of a provider's messages in the last ten seconds, or since its breaker changed."""

    tried: int
    failed: int
    slow: int
    segments: int
    median_ms: int | None


class RefusalResponse(ResponseModel):
    """
    The last message that a provider did not take: what we made of it, and the provider's words.

    The words are without phone numbers and texts. `since` is when it began to
    refuse our account or its credentials; null if it does not.
    """

    outcome: str
    words: str
    at: datetime
    of_account: bool
    since: datetime | None


class ProviderResponse(ResponseModel):
    """
    A provider with its state, and the latest changes of it (`story`).

    `order` is its override, which takes precedence over `breaker`: "closed" means that
    it works and gets messages, "open" that it fails and gets none. `window` is null
    while Redis cannot be reached. `out`
    counts the messages that are in a call now.
    """

    name: str
    plugin: str
    tps: float
    breaker: BreakerPhase
    order: Override
    until: datetime | None
    window: RecentOutcomesResponse | None
    out: int
    last_refusal: RefusalResponse | None
    story: list[ProviderChangeResponse]


class OverrideRequest(RequestModel):
    """
    The reason for an override; all operators see it.

    `confirm` is for `drain`: without it the drain of a provider that is the
    last way of any message is refused with 409, which says what it would do.
    """

    reason: ShortText = ""
    confirm: bool = False


class ProviderAction(StrEnum):
    """The changes of an override that operators can make."""

    PAUSE = "pause"
    RESUME = "resume"
    DRAIN = "drain"
    PIN = "pin"
    UNPIN = "unpin"


_OVERRIDES = {
    ProviderAction.PAUSE: Override.PAUSED,
    ProviderAction.RESUME: Override.NONE,
    ProviderAction.DRAIN: Override.DRAINED,
    ProviderAction.PIN: Override.PINNED,
    ProviderAction.UNPIN: Override.NONE,
}


@router.get(_PATH)
async def list_providers(ctx: Ctx) -> list[ProviderResponse]:
    """List all providers, with the state of each and its latest changes."""
    return [_response(report) for report in await providers.every(ctx)]


@router.post(f"{_PATH}/{{name}}/{{verb}}", responses=_UNKNOWN)
async def order_provider(
    name: Text, verb: ProviderAction, body: Annotated[OverrideRequest, Body()], ctx: Ctx, by: OperatorName
) -> ProviderResponse:
    """
    Set or remove the override of a provider; all processes follow within about a second.

    `resume` and `unpin` are the same: either removes a pause, a drain and a pin.
    `drain` of a provider that is the last way of any message needs `"confirm": true`.
    """
    try:
        report = await providers.set_override(
            ctx, name, _OVERRIDES[verb], reason=body.reason, by=by, confirmed=body.confirm
        )
    except NotConfirmed as effect:
        raise NotConfirmed(f'{effect}. To drain it, send "confirm": true') from None
    return _response(report)


def _response(report: ProviderReport) -> ProviderResponse:
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
        and RecentOutcomesResponse(
            tried=window.tried,
            failed=window.failed,
            slow=window.slow,
            segments=window.segments,
            median_ms=None if latency is None else latency // timedelta(milliseconds=1),
        ),
        out=report.in_flight,
        last_refusal=report.last_refusal and RefusalResponse.model_validate(report.last_refusal),
        story=[ProviderChangeResponse.model_validate(change) for change in report.history],
    )
