"""Templates: texts of an account with variables, which are filled in when a message is accepted."""

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, replace

from dispatcher.domain.accounts.account import Account, Caller
from dispatcher.domain.errors import AlreadyExists, Fault, FaultKind, Invalid, InvalidSubmission, NotFound
from dispatcher.domain.messages import template
from dispatcher.domain.messages.encoding import InvalidText, measure
from dispatcher.domain.messages.submission import Submission
from dispatcher.domain.messages.template import MissingVariables
from dispatcher.domain.messages.text import is_blank
from dispatcher.domain.spelling import name_choices
from dispatcher.service.context import Context
from dispatcher.service.submissions.validate import measure_text
from dispatcher.store.submissions import templates
from dispatcher.store.submissions.templates import Template

__all__ = ["Preview", "Template", "change", "create", "fill_in", "find", "page", "preview", "remove"]

_ID_LENGTH = 20
_ALPHABET = string.ascii_letters + string.digits
_LONGEST_NAME = 100
_LONGEST_TEXT = 2000
_NAMED = 1000  # templates, of which an error names some


@dataclass(frozen=True, slots=True)
class Preview:
    """The text of a filled-in template, and the number of its segments."""

    text: str
    segments: int


async def create(ctx: Context, account: Account, name: str, text: str) -> Template:
    """Create a template and return it. Raises AlreadyExists for a name that is taken, and Invalid."""
    name = name.strip()
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
        raise Invalid(f"{name!r} cannot name a template: give 1 to {_LONGEST_NAME} printable characters")
    _check_text(text)
    public_id = "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
    created = await ctx.database.transact(
        lambda c: templates.insert(c, account.id, public_id=public_id, name=name, content=text)
    )
    if created is None:
        raise AlreadyExists(f"account {account.name!r} already has a template {name!r}")
    return created


async def find(ctx: Context, account: Account, public_id: str) -> Template:
    """Return a template by its id. Raises NotFound."""
    found = await ctx.database.transact(lambda c: templates.find(c, account.id, public_id))
    if found is None:
        raise NotFound(f"there is no template {public_id!r} ({await _choices(ctx, account, public_id)})")
    return found


async def page(ctx: Context, account: Account, *, after: int = 0, limit: int = 100) -> list[Template]:
    """Return an account's templates, the oldest first."""
    return await ctx.database.transact(lambda c: templates.page(c, account.id, after=after, limit=limit))


async def change(ctx: Context, account: Account, public_id: str, text: str) -> Template:
    """Change the text of a template, and return it. Raises NotFound and Invalid."""
    _check_text(text)
    changed = await ctx.database.transact(lambda c: templates.change(c, account.id, public_id, content=text))
    return _found(changed, public_id)


async def remove(ctx: Context, account: Account, public_id: str) -> None:
    """Remove a template; its name is free again. Raises NotFound."""
    if not await ctx.database.transact(lambda c: templates.remove(c, account.id, public_id)):
        raise NotFound(f"there is no template {public_id!r}")


async def preview(ctx: Context, account: Account, public_id: str, variables: Mapping[str, str]) -> Preview:
    """Return the filled-in text of a template. Raises NotFound, and InvalidSubmission for a faulty text."""
    found = await find(ctx, account, public_id)
    text, segments, faults = measure_text(ctx, _rendered(found.text, variables))
    if faults:
        raise InvalidSubmission(faults)
    return Preview(text, segments)


async def fill_in(ctx: Context, caller: Caller, submission: Submission) -> tuple[Submission, int | None]:
    """
    Return a submission with the text of its template filled in, and the row id of the template.

    Without a template the submission is unchanged and the id is None. Raises
    InvalidSubmission for an unknown template and for missing variables.
    """
    public_id = submission.template_id
    if public_id is None:
        return submission, None
    found = await ctx.database.transact(lambda c: templates.find(c, caller.account.id, public_id))
    if found is None:
        choices = await _choices(ctx, caller.account, public_id)
        raise InvalidSubmission([Fault("template_id", FaultKind.UNKNOWN_TEMPLATE, public_id, advice=choices)])
    return replace(submission, text=_rendered(found.text, submission.variables)), found.id


def _rendered(text: str, variables: Mapping[str, str]) -> str:
    try:
        return template.render(text, variables)
    except MissingVariables as error:
        faults = [Fault("variables", FaultKind.MISSING_VARIABLE, name) for name in error.names]
        raise InvalidSubmission(faults) from None


async def _choices(ctx: Context, account: Account, wanted: str) -> str:
    """Return which templates the account has, by id and name."""
    known = await page(ctx, account, limit=_NAMED)
    for found in known:
        if found.name == wanted:
            return f"did you mean {found.public_id}, the id of {found.name}?"
    return name_choices(wanted, (f"{found.public_id} ({found.name})" for found in known))


def _check_text(text: str) -> None:
    if is_blank(text):
        raise Invalid("a template needs a text")
    if len(text) > _LONGEST_TEXT:
        raise Invalid(f"a template's text has at most {_LONGEST_TEXT} characters, not {len(text)}")
    if stray := template.stray_braces(text):
        raise Invalid(f"a template's text has braces that nothing fills: {stray}")
    try:
        measure(text)
    except InvalidText as error:
        raise Invalid(f"a template's text cannot be sent: {error}") from None


def _found(found: Template | None, public_id: str) -> Template:
    if found is None:
        raise NotFound(f"there is no template {public_id!r}")
    return found
