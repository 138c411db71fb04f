"""`dispatcher up`: runs a whole stack on this machine until Ctrl-C."""

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli.arguments import Port
from dispatcher.cli.console import console, own_command, print_line
from dispatcher.domain.errors import Unavailable
from dispatcher.local import disk, stack
from dispatcher.local.dialect_credentials import PATHS
from dispatcher.local.embedded.ports import LOOPBACK
from dispatcher.local.environment import FILE, default_directory
from dispatcher.local.stack import Stack
from dispatcher.local.stack_plan import StackPlan

SAMPLE_NUMBER = "+254712345678"
"""A number that libphonenumber accepts and the sandbox delivers to."""
NUMBER_TO_FILL_IN = "+NUMBER"
"""The placeholder for a number, because the user's providers would send to any real one."""


def register(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(up)


def up(
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Data directory. Default: DISPATCHER_DATA, else .data"),
    ] = None,
    host: Annotated[str, typer.Option(help="Address the API listens on.")] = LOOPBACK,
    port: Port = 8080,
    flower_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of Flower.")] = 5555,
    sandbox_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the sandbox.")] = 8090,
) -> None:
    """Start everything on this machine; Ctrl-C stops it, the data stays.

    Without DATABASE_URL and REDIS_URL it starts a PostgreSQL and a Valkey
    of its own.
    """
    directory = (data or default_directory()).absolute()
    try:
        stack.run(StackPlan(directory, host, port, flower_port, sandbox_port), _print_event, _serve)
    except Exception as error:  # a full disk fails everywhere: in our writes, in initdb, in each server
        if not disk.is_full(directory, error):
            raise
        raise Unavailable(disk.advice(directory)) from None
    print_line("stopped")


def _serve(running: Stack) -> None:
    plan, created = running.plan, running.credentials
    print_line("")
    print_line(f"API          {plan.base_url}, with these dialects:")
    for dialect, paths in PATHS.items():
        if dialect not in running.settings.disabled_dialects:
            prefix = running.settings.dialect_prefixes.get(dialect, "")
            print_line(f"               {dialect:<10} {', '.join(prefix + path for path in paths)}")
    print_line(f"Flower       {plan.flower_url}")
    print_line(f"Sandbox      {plan.sandbox_url}")
    print_line(f"Credentials  {created.file}")
    print_line(f"Logs         {plan.directory / 'logs'}")
    print_line("")
    if running.sends_for_real:
        print_line(f"Send a message through your providers: write a phone of yours for {NUMBER_TO_FILL_IN},")
        print_line("with its country code (a delivery_date in the past sends at once):")
    else:
        print_line("Send a message (a delivery_date in the past sends at once):")
    print_line("")
    print_line(f"  {curl_command(running)}")
    print_line("")
    print_line("Look it up. ID is the number in brackets in the answer, below sms_ids:")
    print_line("")
    print_line(f"  {own_command()} message show ID{_data_option(plan.directory)}")
    print_line("")
    print_line("Ctrl-C stops everything.")
    running.supervisor.wait()


def curl_command(running: Stack) -> str:
    """Return a shell command that sends a message at once; with real providers, to a number to fill in."""
    body = {
        "message_text": "Hello",
        "delivery_date": "2020-12-25 12:45:59",
        "sender_id": running.credentials.sender_id,
        "phone_numbers": [NUMBER_TO_FILL_IN if running.sends_for_real else SAMPLE_NUMBER],
    }
    headers = [f"Authorization: Bearer {running.credentials.token}", "Content-Type: application/json"]
    words = ["curl", "-sS", *(word for header in headers for word in ("-H", header))]
    prefix = running.settings.dialect_prefixes.get("scheduler", "")
    return shlex.join([*words, "-d", json.dumps(body), f"{running.plan.base_url}{prefix}/api/v1/sms"])


def _data_option(directory: Path) -> str:
    """Return the option that names the directory; empty if it is the default of other commands."""
    if (default_directory() / FILE).absolute() == directory / FILE:
        return ""
    return f" --data {shlex.quote(str(directory))}"


def _print_event(name: str, text: str) -> None:
    console().print(f"{name:<17} {text}")
