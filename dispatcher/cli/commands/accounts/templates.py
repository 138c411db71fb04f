"""`dispatcher template`: texts with variables that an account keeps."""

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
    str, typer.Argument(metavar="ID", help="As `template list` tells it.", show_default=False)
]
TemplateTextOption = Annotated[
    str,
    typer.Argument(help='With {{name}} where a variable goes; "-" reads standard input.', show_default=False),
]


def add(app: typer.Typer) -> None:
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
        str, typer.Argument(metavar="NAME", help="What it is called in the account.", show_default=False)
    ],
    text: TemplateTextOption,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Keep a text under a name; the account's messages name it by the id that is printed."""
    words = read_text(text)
    made = run_with_account(data, name, lambda ctx, account: templates.create(ctx, account, title, words))
    if as_json:
        print_json(_told(made))
    else:
        print_line(f"template {made.public_id} of {name} is {made.name}")


def list_templates(name: AccountName, as_json: AsJson = False, data: Data = None) -> None:
    """List an account's templates."""
    found = run_with_account(data, name, _every)
    if as_json:
        print_json([_told(one) for one in found])
    else:
        rows = [(one.public_id, one.name, one.updated_at, " ".join(one.text.split())) for one in found]
        print_table(("id", "name", "changed (UTC)", "text"), rows)


def show(
    name: AccountName, template_id: TemplateIdArgument, as_json: AsJson = False, data: Data = None
) -> None:
    """Print a template's text as it is."""
    found = run_with_account(data, name, lambda ctx, account: templates.find(ctx, account, template_id))
    if as_json:
        print_json(_told(found))
    else:
        print_note(
            f"{found.name}, made {format_time(found.created_at)}, changed {format_time(found.updated_at)} UTC"
        )
        print_line(found.text)


def change(
    name: AccountName,
    template_id: TemplateIdArgument,
    text: TemplateTextOption,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Give a template another text; what was accepted before keeps its own."""
    words = read_text(text)
    found = run_with_account(
        data, name, lambda ctx, account: templates.change(ctx, account, template_id, words)
    )
    if as_json:
        print_json(_told(found))
    else:
        print_line(f"template {template_id} of {name} has another text")


def remove(
    name: AccountName, template_id: TemplateIdArgument, as_json: AsJson = False, data: Data = None
) -> None:
    """Take a template out of use; its name is free again."""
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
    """Fill a template in, and print what would be sent."""
    values = read_variables(variables or ())
    filled = run_with_account(
        data, name, lambda ctx, account: templates.preview(ctx, account, template_id, values)
    )
    if as_json:
        print_json({"text": filled.text, "segments": filled.segments})
    else:
        print_note(f"{filled.segments} segment{'s' if filled.segments != 1 else ''}")
        print_line(filled.text)


async def _every(ctx: Context, account: Account) -> list[Template]:
    found: list[Template] = []
    while page := await templates.page(ctx, account, after=found[-1].id if found else 0, limit=_PAGE):
        found += page
    return found


def _told(one: Template) -> dict[str, object]:
    return {
        "id": one.public_id,
        "name": one.name,
        "text": one.text,
        "created_at": one.created_at,
        "updated_at": one.updated_at,
    }
