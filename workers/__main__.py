"""
`python -m workers worker …` and `python -m workers beat …`: Celery's commands, with Celery's options.

`celery -A workers.app` does the same, but also loads the modules of all other
commands, such as Flower and a REPL: 0.8 s of processor time and 12 MB for each
process.
"""

import gc
import sys

_COMMANDS = ("worker", "beat")


def main(arguments: list[str]) -> None:
    """Run the command that the first argument names."""
    if not arguments or arguments[0] not in _COMMANDS:
        raise SystemExit(f"usage: python -m workers {'|'.join(_COMMANDS)} [OPTIONS]")
    name, *options = arguments
    # What is imported stays: collections meanwhile find nothing, and cost a sixth of the time of a start.
    gc.disable()
    from celery.bin.base import CLIContext

    if name == "worker":
        from celery.bin.worker import worker

        from workers.app import app

        command = worker
    else:
        from celery.bin.beat import beat

        from workers.broker import app

        command = beat
    gc.enable()
    context = CLIContext(app=app, no_color=True, workdir=None, quiet=True)
    command.main(options, prog_name=f"python -m workers {name}", obj=context)


if __name__ == "__main__":
    main(sys.argv[1:])
