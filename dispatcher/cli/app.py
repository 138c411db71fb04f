"""The command line: where each command is, and how errors are printed."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import typer

from dispatcher.domain.errors import DispatchError, Invalid, InvalidSubmission, Misconfigured

_HELP = "An SMS dispatcher: windows, priority tiers, HTTP dialects in, any provider out."

# Each command's module has `add`. Only the requested one is loaded: half of them do without the imports
# that take a second or two.
_COMMANDS = {
    "up": "up",
    "demo": "demo.command",
    "send": "messages.send",
    "message": "messages.messages",
    "lanes": "lanes",
    "route": "routing.routes",
    "account": "accounts.accounts",
    "key": "accounts.keys",
    "sender": "accounts.senders",
    "template": "accounts.templates",
    "campaign": "campaigns.campaigns",
    "optout": "accounts.opt_outs",
    "inbound": "inbound",
    "receipt": "receipts",
    "audience": "campaigns.audiences",
    "operator": "accounts.operators",
    "provider": "routing.providers",
    "doctor": "doctor.command",
    "migrate": "processes",
    "api": "processes",
    "worker": "processes",
    "beat": "processes",
    "flower": "processes",
    "sandbox": "processes",
}

_BAD_INPUT = (Invalid, InvalidSubmission, Misconfigured)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit: 0 is done, 1 is refused or failed, 2 is a wrong input or setting."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        _require_text(arguments)
        build(arguments)(args=list(arguments), prog_name="dispatcher")
    except DispatchError as error:
        _fail(str(error), 2 if isinstance(error, _BAD_INPUT) else 1)
    except OSError as error:
        if error.filename is None:
            raise
        _fail(f"{error.filename}: {error.strerror}", 1)
    sys.exit(0)


def build(arguments: Sequence[str]) -> typer.Typer:
    """Return the application with the one command that these arguments name, or with all of them for help."""
    app = typer.Typer(
        name="dispatcher",
        help=_HELP,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_nothing)
    wanted = _COMMANDS.get(arguments[0]) if arguments else None
    for module in [wanted] if wanted else dict.fromkeys(_COMMANDS.values()):
        import_module(f"dispatcher.cli.commands.{module}").add(app)
    return app


def _require_text(arguments: Sequence[str]) -> None:
    """Refuse bytes that are not UTF-8: they could neither be stored nor printed."""
    for argument in arguments:
        try:
            argument.encode("utf-8")
        except UnicodeEncodeError:
            raise Invalid(f"the argument {argument!a} is not UTF-8") from None


def _nothing() -> None:
    """Keep `dispatcher` a group of commands when only one of them is loaded."""


def _fail(message: str, code: int) -> NoReturn:
    print(f"dispatcher: {message}", file=sys.stderr)
    sys.exit(code)
