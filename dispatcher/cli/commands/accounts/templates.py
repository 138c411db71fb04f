"""`dispatcher template`: an account's texts with variables."""

from typing import Annotated

import typer

from dispatcher.cli.arguments import AccountName, AsJson, Data
from dispatcher.cli.console import format_time, print_json, print_line, print_note, print_table
from dispatcher.cli.session import run_with_account
from dispatcher.cli.values import read_text, read_variables
from dispatcher.domain.accounts.account import Account
from dispatcher.service.context import Context
from dispatcher.service.submissions import templates
from dispatcher.store.submissions.templates import Template

_PAGE = 1000

TemplateIdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="Its id, as in `template list`.", show_default=False)
]
TemplateTextOption = Annotated[
    str,
    typer.Argument(
        help='The text, with {{name}} for a variable; "-" reads standard input.', show_default=False
    ),
]


def register(app: typer.Typer) -> None:
    """Register the commands."""
    template = typer.Typer(help="Texts with variables.", no_args_is_help=True)
    template.command("add")(add_template)
    template.command("list")(list_templates)
    template.command("show")(show)
    template.command("change")(change)
    template.command("remove")(remove)
    template.command("preview")(preview)
    app.add_typer(template, name="template")


def add_template(
    name: AccountName,
    title: Annotated[
        str, typer.Argument(metavar="NAME", help="Its name in the account.", show_default=False)
    ],
    text: TemplateTextOption,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Create a template. The account's messages refer to it by the id that is printed."""
    new_text = read_text(text)
    created = run_with_account(
        data, name, lambda ctx, account: templates.create(ctx, account, title, new_text)
    )
    if as_json:
        print_json(_template_json(created))
    else:
        print_line(f"template {created.public_id} of {name} is {created.name}")


def list_templates(name: AccountName, as_json: AsJson = False, data: Data = None) -> None:
    """List an account's templates."""
    found = run_with_account(data, name, _fetch_all)
    if as_json:
        print_json([_template_json(template) for template in found])
    else:
        rows = [
            (template.public_id, template.name, template.updated_at, " ".join(template.text.split()))
            for template in found
        ]
        print_table(("id", "name", "changed (UTC)", "text"), rows)


def show(
    name: AccountName, template_id: TemplateIdArgument, as_json: AsJson = False, data: Data = None
) -> None:
    """Print a template's text unfilled."""
    found = run_with_account(data, name, lambda ctx, account: templates.find(ctx, account, template_id))
    if as_json:
        print_json(_template_json(found))
    else:
        print_note(
            f"{found.name}, created {format_time(found.created_at)} UTC,"
            f" changed {format_time(found.updated_at)} UTC"
        )
        print_line(found.text)


def change(
    name: AccountName,
    template_id: TemplateIdArgument,
    text: TemplateTextOption,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Replace a template's text. Messages that were accepted keep the text they have."""
    new_text = read_text(text)
    found = run_with_account(
        data, name, lambda ctx, account: templates.change(ctx, account, template_id, new_text)
    )
    if as_json:
        print_json(_template_json(found))
    else:
        print_line(f"template {template_id} of {name} has a new text")


def remove(
    name: AccountName, template_id: TemplateIdArgument, as_json: AsJson = False, data: Data = None
) -> None:
    """Remove a template. Its name can be used again."""
    run_with_account(data, name, lambda ctx, account: templates.remove(ctx, account, template_id))
    if as_json:
        print_json({"id": template_id, "account": name, "removed": True})
    else:
        print_line(f"template {template_id} of {name} is removed")


def preview(
    name: AccountName,
    template_id: TemplateIdArgument,
    variables: Annotated[list[str] | None, typer.Argument(metavar="[NAME=VALUE]...")] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Print the text of a template with these variables."""
    values = read_variables(variables or ())
    filled = run_with_account(
        data, name, lambda ctx, account: templates.preview(ctx, account, template_id, values)
    )
    if as_json:
        print_json({"text": filled.text, "segments": filled.segments})
    else:
        print_note(f"{filled.segments} segment{'s' if filled.segments != 1 else ''}")
        print_line(filled.text)


async def _fetch_all(ctx: Context, account: Account) -> list[Template]:
    found: list[Template] = []
    while page := await templates.page(ctx, account, after=found[-1].id if found else 0, limit=_PAGE):
        found += page
    return found


def _template_json(template: Template) -> dict[str, object]:
    return {
        "id": template.public_id,
        "name": template.name,
        "text": template.text,
        "created_at": template.created_at,
        "updated_at": template.updated_at,
    }
