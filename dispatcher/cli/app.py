"""The entry point of the command line: finds the module of a command and prints errors."""

import errno
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import typer

from dispatcher.domain.errors import DispatchError, Invalid, InvalidSubmission, Misconfigured

_HELP = "Run the SMS dispatcher, and manage its accounts, messages, campaigns, routes and providers."

# Each command's module has `register`. Only the module of the requested command is imported: half of the
# commands do not need the imports that take a second or two.
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
    "webhook": "accounts.webhooks",
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

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}  # raised by a write, which does not know its file's name
_BAD_INPUT = (Invalid, InvalidSubmission, Misconfigured)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit: 0 if done, 1 if refused or failed, 2 for wrong input or settings."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        _require_text(arguments)
        build(arguments)(args=list(arguments), prog_name="dispatcher")
    except DispatchError as error:
        _fail(str(error), 2 if isinstance(error, _BAD_INPUT) else 1)
    except OSError as error:
        if error.filename is None and error.errno not in _NO_SPACE:
            raise
        _fail(f"{error.filename or 'a file cannot be written'}: {error.strerror}", 1)
    sys.exit(0)


def build(arguments: Sequence[str]) -> typer.Typer:
    """Return the application with the command that the arguments name, or with all commands for help."""
    app = typer.Typer(
        name="dispatcher",
        help=_HELP,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_no_options)
    requested = _COMMANDS.get(arguments[0]) if arguments else None
    for module in [requested] if requested else dict.fromkeys(_COMMANDS.values()):
        import_module(f"dispatcher.cli.commands.{module}").register(app)
    return app


def _require_text(arguments: Sequence[str]) -> None:
    """Raise Invalid for bytes that are not UTF-8: they could neither be stored nor printed."""
    for argument in arguments:
        try:
            argument.encode("utf-8")
        except UnicodeEncodeError:
            raise Invalid(f"the argument {argument!a} is not UTF-8") from None


def _no_options() -> None:
    """Make Typer keep `dispatcher` a group of commands when only one of them is registered."""


def _fail(message: str, code: int) -> NoReturn:
    print(f"dispatcher: {message}", file=sys.stderr)
    sys.exit(code)
