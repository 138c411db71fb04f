"""`dispatcher migrate`, and one command for each process: api, worker, beat, flower, sandbox."""

import os
import pkgutil
from enum import StrEnum
from typing import Annotated, NoReturn

import typer

from dispatcher.cli.arguments import Data, Port
from dispatcher.cli.console import print_line, print_note
from dispatcher.domain.errors import Invalid, Misconfigured
from dispatcher.local import process_commands
from dispatcher.local.environment import load, load_broker


class WorkerQueue(StrEnum):
    """The queues that a worker can consume."""

    CRITICAL = "critical"  # the lane of each tier
    STANDARD = "standard"
    BULK = "bulk"
    CLOCK = "clock"  # messages that are due, late or stuck
    SYSTEM = "system"  # receipts, polls, campaigns


_LOOPBACK = "127.0.0.1"

Host = Annotated[str, typer.Option(help="Address to listen on.")]


def register(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (migrate, api, worker, beat, flower, sandbox):
        app.command()(command)


def migrate(data: Data = None) -> None:
    """Migrate the database to the newest version; run it before API and workers start."""
    from dispatcher import bootstrap

    print_line(f"the database is at {bootstrap.migrate(load(data))}")


def api(host: Host = _LOOPBACK, port: Port = 8080, data: Data = None) -> None:
    """Serve the HTTP API."""
    settings = load(data)
    # Imported by name: the command line may not import the API.
    serve = pkgutil.resolve_name("dispatcher.api.serve:run")
    serve(host, port, settings)


def worker(
    queue: Annotated[WorkerQueue, typer.Argument(help="The queue to consume.", show_default=False)],
    concurrency: Annotated[
        int | None, typer.Option("-c", "--concurrency", min=1, help="Number of threads.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Its name before the @, if several consume one queue.")
    ] = None,
    data: Data = None,
) -> None:
    """Consume one queue: the lane of a tier, the clock, or system tasks."""
    if (
        queue is WorkerQueue.CRITICAL
        and concurrency is not None
        and concurrency < process_commands.THREADS[queue]
    ):
        raise Invalid(
            f"--concurrency of critical must be {process_commands.THREADS[queue]} or more, not {concurrency}"
        )
    load(data)
    _become("worker", process_commands.worker(queue, concurrency=concurrency, name=name))


def beat(data: Data = None) -> None:
    """Start the periodic tasks of the clock and of the system worker."""
    load_broker(data)
    _become("beat", process_commands.beat())


def flower(
    host: Annotated[
        str, typer.Option(envvar="DISPATCHER_FLOWER_HOST", help="Address to listen on.")
    ] = _LOOPBACK,
    port: Port = 5555,
    data: Data = None,
) -> None:
    """
    Serve Flower, which shows the workers and can stop them.

    DISPATCHER_FLOWER_AUTH=user:password requires a login. Without one, keep
    the default address: anybody who reaches Flower can stop workers.
    """
    load_broker(data)
    login = process_commands.flower_environment()
    if not login and host not in {_LOOPBACK, "localhost", "::1"}:
        print_note(f"Flower on {host} requires no login, and can stop workers: set DISPATCHER_FLOWER_AUTH")
    os.environ.update(login)
    _become("flower", process_commands.flower(host, port))


def sandbox(
    host: Host = _LOOPBACK,
    port: Port = 8090,
    smpp_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Also listen for SMPP, on this port.")
    ] = None,
    settings: Annotated[str, typer.Option(metavar="JSON", help="Its settings, or @FILE with them.")] = "{}",
    post_to: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST[:PORT]", help="Where it may post receipts; may be repeated."),
    ] = None,
) -> None:
    """Simulate an SMSC; docs/sandbox.md describes its special numbers."""
    from dispatcher.sandbox import run
    from dispatcher.sandbox.settings import read_settings

    try:
        chosen = read_settings(settings, post_to=post_to or ())
    except ValueError as wrong:
        raise Misconfigured(f"--settings: {wrong}") from None
    run(host, port, chosen, smpp_port=smpp_port)


def _become(process: str, command: list[str]) -> NoReturn:
    """Become a process, which gets the secrets that it needs and no others."""
    for name in process_commands.unneeded_secrets(process):
        os.environ.pop(name, None)
    os.execv(command[0], command)  # noqa: S606 - this process becomes the command
