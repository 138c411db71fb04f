"""The templates of accounts: texts with variables, filled in when a batch is accepted."""

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import Field

from dispatcher.api.manage.dependencies import Ctx, NamedAccount
from dispatcher.api.manage.fields import Plain, RequestModel, ResponseModel
from dispatcher.api.manage.paging import Page, Paged
from dispatcher.api.manage.problems import problems
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.domain.messages import template
from dispatcher.service.submissions import templates
from dispatcher.service.submissions.templates import Template

_PATH = f"{PREFIX}/accounts/{{name}}/templates"
_ONE = f"{_PATH}/{{template_id}}"
router = operator_router("Templates")
_UNKNOWN = problems(_404="No such account or template")

TemplateId = Annotated[Plain, Path(description="The template's id.")]


class TemplateResponse(ResponseModel):
    """A template, with the names of its variables."""

    id: str
    name: str
    text: str
    variables: list[str]
    created_at: datetime
    updated_at: datetime


class TemplateRequest(RequestModel):
    """A new template; `{{name}}` in the text is a variable."""

    name: Plain
    text: Plain


class TemplateTextRequest(RequestModel):
    """Another text for a template."""

    text: Plain


class VariablesRequest(RequestModel):
    """What to fill in."""

    variables: dict[Plain, Plain] = Field(default_factory=dict)


class PreviewResponse(ResponseModel):
    """What a template becomes, and how many segments that is."""

    text: str
    segments: int


@router.get(_PATH, responses=problems(_404="No such account"))
async def list_templates(account: NamedAccount, ctx: Ctx, paging: Paged) -> Page[TemplateResponse]:
    """List an account's templates, the oldest first."""
    return paging.page(await templates.page(ctx, account, after=paging.after, limit=paging.probe), _shown)


@router.post(
    _PATH,
    status_code=201,
    responses=problems(_404="No such account", _409="The account has a template of this name"),
)
async def create_template(given: TemplateRequest, account: NamedAccount, ctx: Ctx) -> TemplateResponse:
    """Keep a template."""
    return _shown(await templates.create(ctx, account, given.name, given.text))


@router.get(_ONE, responses=_UNKNOWN)
async def show_template(template_id: TemplateId, account: NamedAccount, ctx: Ctx) -> TemplateResponse:
    """Show a template."""
    return _shown(await templates.find(ctx, account, template_id))


@router.put(_ONE, responses=_UNKNOWN)
async def change_template(
    given: TemplateTextRequest, template_id: TemplateId, account: NamedAccount, ctx: Ctx
) -> TemplateResponse:
    """Give a template another text; what was accepted keeps the one it had."""
    return _shown(await templates.change(ctx, account, template_id, given.text))


@router.delete(_ONE, status_code=204, responses=_UNKNOWN)
async def remove_template(template_id: TemplateId, account: NamedAccount, ctx: Ctx) -> None:
    """Take a template out of use; its name is free again."""
    await templates.remove(ctx, account, template_id)


@router.post(f"{_ONE}/preview", responses=_UNKNOWN)
async def preview_template(
    given: VariablesRequest, template_id: TemplateId, account: NamedAccount, ctx: Ctx
) -> PreviewResponse:
    """Fill a template in and keep nothing."""
    found = await templates.preview(ctx, account, template_id, given.variables)
    return PreviewResponse.model_validate(found)


def _shown(found: Template) -> TemplateResponse:
    return TemplateResponse(
        id=found.public_id,
        name=found.name,
        text=found.text,
        variables=list(template.variables(found.text)),
        created_at=found.created_at,
        updated_at=found.updated_at,
    )
