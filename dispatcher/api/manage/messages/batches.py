"""Batches: submission for an account, list, counts, cancellation."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Request
from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from dispatcher.api.idempotency import accept
from dispatcher.api.manage.dependencies import Ctx, NamedAccount
from dispatcher.api.manage.fields import (
    AnyId,
    FromText,
    RequestModel,
    ResponseModel,
    RowId,
    ShortText,
    StatusResponse,
    Text,
    Time,
    after,
    status_word,
)
from dispatcher.api.manage.messages.messages import CancelledResponse
from dispatcher.api.manage.paging import Page, Paged
from dispatcher.api.manage.problems import problems, submission_faults
from dispatcher.api.manage.router import PREFIX, checks_content, operator_router
from dispatcher.api.proxies.root_path import public_root
from dispatcher.api.request_body import Json
from dispatcher.api.runtime import context_of
from dispatcher.domain.accounts.account import Account, Caller
from dispatcher.domain.errors import FieldError
from dispatcher.domain.messages.edit import Cancel, Selection
from dispatcher.domain.messages.submission import (
    AcceptedBatch,
    DuplicateNumbers,
    InvalidNumbers,
    Submission,
    WithoutCredit,
)
from dispatcher.domain.numbers.msisdn import NumberPolicy
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts
from dispatcher.service.accounts.credentials import MANAGE
from dispatcher.service.messages import edits, search
from dispatcher.service.submissions.submit import check

_OF_ACCOUNT = f"{PREFIX}/accounts/{{name}}/batches"
_ONE = f"{PREFIX}/batches/{{batch_id}}"
router = operator_router("Batches")
_UNKNOWN = problems(_404="No such batch")


class BatchRequest(RequestModel):
    """
    A text or a template, for one or more numbers.

    Numbers may be national if the account has a country. The window is from
    `not_before`, by default now, up to but excluding `not_after`.
    """

    recipients: list[Text]
    text: Text | None = None
    template_id: Text | None = Field(None, validate_default=True)
    variables: dict[Text, Text] = Field(default_factory=dict)
    tier: FromText[Tier] | None = Field(None, description="Null: standard, or bulk above 200 recipients.")
    sender: RowId | Text | None = Field(None, description="A name or an id; null: the account's default.")
    not_before: Time | None = None
    not_after: Annotated[Time | None, after("not_before")] = None
    strip_diacritics: bool = False
    stop_mention: bool = Field(False, description="Append instructions for opting out.")
    invalid_numbers: Literal["refuse", "skip"] = "refuse"
    repeats: Literal["keep", "collapse", "refuse"] = "keep"
    without_credit: Literal["refuse", "keep"] = "refuse"
    external_id: ShortText | None = Field(
        None, min_length=1, description="Your own id; unique in the account."
    )
    client_id: ShortText = Field("", description="Your own reference; callbacks include it.")
    callback_url: Text | None = None

    @field_validator("template_id")
    @classmethod
    def _replaces_a_text(cls, template_id: str | None, others: ValidationInfo) -> str | None:
        if "text" in others.data and (others.data["text"] is None) == (template_id is None):
            raise PydanticCustomError("choice", "pass either text, or template_id with its variables")
        return template_id

    def submission(self, account: Account, *, simulated: bool) -> Submission:
        """Return the submission."""
        country = account.default_country
        return Submission(
            recipients=self.recipients,
            text=self.text or "",
            numbers=NumberPolicy(
                default_country=country, national=country is not None, lenient=True, simulated=simulated
            ),
            tier=self.tier,
            sender_id=self.sender if isinstance(self.sender, int) else None,
            sender_name=self.sender if isinstance(self.sender, str) else None,
            template_id=self.template_id,
            variables=self.variables,
            not_before=self.not_before,
            not_after=self.not_after,
            strip_diacritics=self.strip_diacritics,
            stop_mention=self.stop_mention,
            without_credit=WithoutCredit[self.without_credit.upper()],
            invalid_numbers=InvalidNumbers[self.invalid_numbers.upper()],
            duplicate_numbers=DuplicateNumbers[self.repeats.upper()],
            external_id=self.external_id,
            client_id=self.client_id,
            callback_url=self.callback_url,
        )


class AcceptedMessageResponse(StatusResponse):
    """A message that was accepted."""

    id: int
    public_id: UUID
    number: str
    number_as_given: str


class AcceptedBatchResponse(ResponseModel):
    """An accepted batch, its messages in the order of the recipients; `skipped` counts invalid numbers."""

    id: int
    public_id: UUID
    account: str
    tier: Tier
    charged: int
    skipped: int
    external_id: str | None
    not_before: datetime
    not_after: datetime
    created_at: datetime
    messages: list[AcceptedMessageResponse]


class BatchResponse(ResponseModel):
    """A batch, of any dialect."""

    id: int
    public_id: UUID
    account: str
    dialect: str
    tier: Tier
    sender: str | None
    template_id: str | None
    external_id: str | None
    client_id: str
    callback_url: str | None
    not_before: datetime
    not_after: datetime
    created_at: datetime


class CountedBatchResponse(ResponseModel):
    """A batch, with the number of its messages in each status."""

    batch: BatchResponse
    total: int
    counts: dict[str, int]


@router.get(_OF_ACCOUNT, responses=problems(_404="No such account"))
async def list_batches(account: NamedAccount, ctx: Ctx, paging: Paged) -> Page[BatchResponse]:
    """List an account's batches, of all dialects, the newest first."""
    found = await search.batches(ctx, account, before=paging.last, limit=paging.probe)
    return paging.page(found, BatchResponse.model_validate)


async def _content_faults(request: Request, valid: Mapping[str, object]) -> list[FieldError]:
    """Return the faults of the submission that the fields without a fault of form make."""
    ctx = context_of(request)
    account = await accounts.find(ctx, request.path_params["name"])
    has_text = valid.get("text") is not None or valid.get("template_id") is not None
    body = BatchRequest.model_validate({"recipients": [], **valid, **({} if has_text else _ANY_TEXT)})
    submission = body.submission(account, simulated=ctx.settings.simulated_numbers)
    return submission_faults(await check(ctx, Caller(account, MANAGE), submission))


_ANY_TEXT: Mapping[str, object] = {"text": "-"}


@checks_content(_content_faults)
@router.post(
    _OF_ACCOUNT,
    status_code=201,
    response_model=AcceptedBatchResponse,
    responses=problems(
        _402="The balance does not cover it",
        _403="The account is paused",
        _404="No such account",
        _409="The external id is taken, or the first request with this Idempotency-Key is still running",
        _422="The Idempotency-Key was used for another request",
    ),
)
async def submit_batch(body: BatchRequest, request: Request, account: NamedAccount, ctx: Ctx) -> Response:
    """
    Submit a batch for an account: it is accepted as a whole, or not at all.

    A request that is repeated with its `Idempotency-Key` gets the same response.
    """
    submission = body.submission(account, simulated=ctx.settings.simulated_numbers)
    return await accept(
        request, ctx, Caller(account, MANAGE), submission, answer=partial(_accepted, request, account)
    )


@router.get(_ONE, responses=_UNKNOWN)
async def show_batch(batch_id: AnyId, ctx: Ctx) -> CountedBatchResponse:
    """Return a batch, by its id or public id."""
    found = await search.counted_batch(ctx, batch_id)
    return CountedBatchResponse(
        batch=BatchResponse.model_validate(found.batch),
        total=sum(found.counts.values()),
        counts={status_word(status): count for status, count in found.counts.items()},
    )


@router.post(f"{_ONE}/cancel", responses=_UNKNOWN)
async def cancel_batch(batch_id: AnyId, ctx: Ctx) -> CancelledResponse:
    """Cancel the messages of a batch that are not being sent, sent or ended."""
    found = await search.batch(ctx, batch_id)
    selection = Selection(await accounts.find(ctx, found.account), batch=found.id)
    return CancelledResponse(cancelled=(await edits.edit(ctx, selection, Cancel())).changed)


def _accepted(request: Request, account: Account, batch: AcceptedBatch) -> Response:
    response = AcceptedBatchResponse(
        id=batch.id,
        public_id=batch.public_id,
        account=account.name,
        tier=batch.tier,
        charged=batch.charged,
        skipped=batch.skipped,
        external_id=batch.external_id,
        not_before=batch.window.not_before,
        not_after=batch.window.not_after,
        created_at=batch.accepted_at,
        messages=[AcceptedMessageResponse.model_validate(message) for message in batch.messages],
    )
    location = f"{public_root(request.scope)}{PREFIX}/batches/{batch.public_id}"
    return Json(response.model_dump(mode="json"), 201, headers={"Location": location})
