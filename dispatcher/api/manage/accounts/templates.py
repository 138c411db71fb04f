"""The templates of accounts: texts with variables, filled in when a batch is accepted."""

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import Field

from dispatcher.api.manage.dependencies import Ctx, NamedAccount
from dispatcher.api.manage.fields import RequestModel, ResponseModel, Text
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

TemplateId = Annotated[Text, Path(description="The template's id.")]


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

    name: Text
    text: Text


class TemplateTextRequest(RequestModel):
    """Another text for a template."""

    text: Text


class VariablesRequest(RequestModel):
    """The values of variables."""

    variables: dict[Text, Text] = Field(default_factory=dict)


class PreviewResponse(ResponseModel):
    """The filled-in text of a template, and its number of segments."""

    text: str
    segments: int


@router.get(_PATH, responses=problems(_404="No such account"))
async def list_templates(account: NamedAccount, ctx: Ctx, paging: Paged) -> Page[TemplateResponse]:
    """List an account's templates, the oldest first."""
    return paging.page(await templates.page(ctx, account, after=paging.after, limit=paging.probe), _response)


@router.post(
    _PATH,
    status_code=201,
    responses=problems(_404="No such account", _409="The account has a template of this name"),
)
async def create_template(body: TemplateRequest, account: NamedAccount, ctx: Ctx) -> TemplateResponse:
    """Create a template."""
    return _response(await templates.create(ctx, account, body.name, body.text))


@router.get(_ONE, responses=_UNKNOWN)
async def show_template(template_id: TemplateId, account: NamedAccount, ctx: Ctx) -> TemplateResponse:
    """Return a template."""
    return _response(await templates.find(ctx, account, template_id))


@router.put(_ONE, responses=_UNKNOWN)
async def change_template(
    body: TemplateTextRequest, template_id: TemplateId, account: NamedAccount, ctx: Ctx
) -> TemplateResponse:
    """Change the text of a template; batches already accepted keep theirs."""
    return _response(await templates.change(ctx, account, template_id, body.text))


@router.delete(_ONE, status_code=204, responses=_UNKNOWN)
async def remove_template(template_id: TemplateId, account: NamedAccount, ctx: Ctx) -> None:
    """Remove a template; its name can be used again."""
    await templates.remove(ctx, account, template_id)


@router.post(f"{_ONE}/preview", responses=_UNKNOWN)
async def preview_template(
    body: VariablesRequest, template_id: TemplateId, account: NamedAccount, ctx: Ctx
) -> PreviewResponse:
    """Fill in a template, and store nothing."""
    found = await templates.preview(ctx, account, template_id, body.variables)
    return PreviewResponse.model_validate(found)


def _response(found: Template) -> TemplateResponse:
    return TemplateResponse(
        id=found.public_id,
        name=found.name,
        text=found.text,
        variables=list(template.variables(found.text)),
        created_at=found.created_at,
        updated_at=found.updated_at,
    )
