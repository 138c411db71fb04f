"""Campaigns in bodies and responses."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from dispatcher.api.manage.fields import FromText, RequestModel, ResponseModel, Text, Time, status_word
from dispatcher.domain.campaigns.campaign import CampaignState, RunState
from dispatcher.domain.campaigns.pacing import Rate, Spread
from dispatcher.domain.tier import Tier
from dispatcher.service.campaigns.campaigns import CampaignRow
from dispatcher.service.campaigns.drafts import CampaignNames
from dispatcher.service.campaigns.plan import MAX_DURATION
from dispatcher.service.campaigns.progress import RunReport

NAMES = {"audience_id": "audience", "validity": "validity_seconds", "spread": "spread_seconds"}
"""The names here of fields of a plan that have another name in the API."""

Seconds = Annotated[int, Field(ge=1, le=int(MAX_DURATION.total_seconds()))]


class _PlanRequest(RequestModel):
    """
    The plan of a campaign.

    It has a `text`, in which `{{name}}` is a column of the audience, or a template. It
    runs once, `at` a time, or by `cron` in local time of `timezone`, from `first_day`
    to `last_day`. A run sends at once, or spread over `spread_seconds`, or `per_second`,
    within the allowed `hours`. `max_cost` limits each run.
    """

    text: Text | None = None
    template_id: Text | None = None
    sender: Text | None = Field(None, description="The name of a sender; null: the account's default.")
    tier: FromText[Tier] = Tier.BULK
    validity_seconds: Seconds | None = Field(None, description="The validity of each message.")
    timezone: Text | None = Field(None, description="Null: the account's.")
    at: Time | None = None
    cron: Text | None = Field(None, description="minute hour day month weekday")
    first_day: FromText[date] | None = None
    last_day: FromText[date] | None = None
    spread_seconds: Seconds | None = None
    per_second: float | None = None
    hours: dict[str, Any] | None = None
    max_cost: int | None = None
    callback_url: Text | None = None

    def fields(self) -> dict[str, object]:
        """Return the fields of the request, by their names in CampaignPlan."""
        fields = {name: getattr(self, name) for name in self.model_fields_set if name in _FIELDS}
        for name, shown_name in NAMES.items():
            if shown_name in fields:
                fields[name] = fields.pop(shown_name)
        for name in ("validity", "spread"):
            if fields.get(name) is not None:
                fields[name] = timedelta(seconds=fields[name])
        if "text" in fields:
            fields["text"] = fields["text"] or ""
        return fields


class CampaignRequest(_PlanRequest):
    """A new campaign. With `start` it is also started."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "weekly",
                    "audience": "customers",
                    "text": "Hi {{name}}, this week: bread",
                    "cron": "0 9 * * mon",
                    "timezone": "Europe/Paris",
                    "spread_seconds": 10800,
                    "hours": {"mon-sat": ["08:00-20:00"]},
                    "max_cost": 20000,
                    "start": True,
                },
                {"name": "once", "audience": "customers", "text": "We moved", "at": "2026-12-01T10:00:00Z"},
            ]
        }
    )

    name: Text
    audience: Text = Field(description="The name or id of an audience.")
    start: bool = False


class CampaignChangeRequest(_PlanRequest):
    """
    Changes of a draft: a field that is left out stays, null removes it.

    A field replaces those that exclude it: `cron` replaces `at`, a text replaces a
    template.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"at": "2026-12-02T10:00:00Z"}, {"max_cost": None}]}
    )

    name: Text = ""
    audience: Text = ""


_FIELDS = frozenset(CampaignChangeRequest.model_fields)


class SampleTextResponse(ResponseModel):
    """The text to one number, as it will read."""

    number: str
    text: str
    segments: int


class TextsResponse(ResponseModel):
    """
    How a text reads to `texts` recipients: the `first` three.

    `segments` counts the texts by their number of segments, `empty` those that have
    nothing in place of a variable, by its name.
    """

    texts: int
    first: list[SampleTextResponse]
    segments: dict[int, int]
    empty: dict[str, int]
    warnings: list[str]


class CampaignResponse(ResponseModel):
    """A campaign. `next_due` null: no run will follow. `reason`: why the dispatcher paused it."""

    id: UUID
    name: str
    state: CampaignState
    reason: str
    audience: str
    recipients: int
    text: str
    template_id: str | None
    sender: str
    tier: Tier
    validity_seconds: int
    timezone: str
    at: datetime | None
    cron: str | None
    first_day: date | None
    last_day: date | None
    spread_seconds: float | None
    per_second: float | None
    hours: dict[str, Any] | None
    max_cost: int | None
    callback_url: str | None
    next_due: datetime | None
    paused_at: datetime | None
    created_at: datetime


class CreatedResponse(CampaignResponse):
    """A new campaign, and how it reads to the first recipients of its audience, at most 10,000."""

    texts: TextsResponse


class RunResponse(ResponseModel):
    """
    A run of a campaign.

    `done` counts its recipients that became messages or were left out. `released_at`
    is the forecast for the release of its last message, `through_at` for the sending of
    it; null where there is no forecast, and `limit` has the reason.
    """

    due_at: datetime
    starts_at: datetime
    state: RunState
    reason: str
    recipients: int
    done: int
    messages: int
    left_out: int
    statuses: dict[str, int]
    cost: int
    released_at: datetime | None
    through_at: datetime | None
    limit: str
    batch_id: UUID | None
    finished_at: datetime | None


class ReportResponse(CampaignResponse):
    """A campaign with its latest runs, the newest first."""

    runs: list[RunResponse]


class EndedResponse(CampaignResponse):
    """A cancelled campaign; `withdrawn` counts its cancelled messages, `out` those sent or being sent."""

    withdrawn: int
    out: int


def campaign_fields(campaign: CampaignRow, names: Mapping[int, CampaignNames]) -> dict[str, Any]:
    """Return the fields of CampaignResponse."""
    terms, pacing, known = campaign.terms, campaign.terms.pacing, names[campaign.id]
    return {
        "id": campaign.public_id,
        "name": terms.name,
        "state": campaign.state,
        "reason": campaign.reason,
        "audience": known.audience,
        "recipients": known.recipients,
        "text": terms.text,
        "template_id": known.template_id,
        "sender": known.sender,
        "tier": terms.tier,
        "validity_seconds": int(terms.message_validity.total_seconds()),
        "timezone": terms.timezone,
        "at": terms.first_at,
        "cron": terms.cron,
        "first_day": terms.first_day,
        "last_day": terms.last_day,
        "spread_seconds": pacing.over.total_seconds() if isinstance(pacing, Spread) else None,
        "per_second": pacing.per_second if isinstance(pacing, Rate) else None,
        "hours": None if terms.hours is None else terms.hours.as_dict(),
        "max_cost": terms.max_cost,
        "callback_url": terms.callback_url,
        "next_due": campaign.next_due,
        "paused_at": campaign.paused_at,
        "created_at": campaign.created_at,
    }


def run_response(found: RunReport) -> RunResponse:
    """Return the response for a run."""
    run, forecast = found.run, found.forecast
    return RunResponse(
        due_at=run.due_at,
        starts_at=run.starts_at,
        state=run.state,
        reason=run.reason,
        recipients=run.total,
        done=run.position,
        messages=run.messages,
        left_out=run.left_out,
        statuses={status_word(status): count for status, count in sorted(found.statuses.items())},
        cost=found.cost,
        released_at=forecast.released if forecast else None,
        through_at=forecast.through if forecast else None,
        limit=found.limit,
        batch_id=run.batch_public_id,
        finished_at=run.finished_at,
    )
