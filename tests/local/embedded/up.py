"""
A supervisor in a process of its own: `up.py DIR servers|sleepers|family|stubborn`.

Prints one line of JSON with what runs, waits for a signal, and reports events meanwhile.
"""

import json
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from dispatcher.local.embedded.events import ProcessEvent, describe
from dispatcher.local.embedded.managed_process import ManagedProcess
from dispatcher.local.embedded.postgres import postgres_process
from dispatcher.local.embedded.supervisor import Supervisor
from dispatcher.local.embedded.valkey import valkey_process

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
FAMILY = ["/bin/sh", "-c", "sleep 600 & echo $! > $CHILD; wait"]
IGNORES_SIGTERM = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('deaf', 'w'); time.sleep(600)"
)


def definitions(data_dir: Path, what: str) -> Sequence[ManagedProcess]:
    child = data_dir / "child"
    deaf = data_dir / "deaf"
    match what:
        case "servers":
            return postgres_process(data_dir), valkey_process(data_dir)
        case "sleepers":
            return ManagedProcess(name="first", argv=SLEEP), ManagedProcess(name="second", argv=SLEEP)
        case "family":
            return (
                ManagedProcess(name="family", argv=FAMILY, env={"CHILD": str(child)}, ready=child.exists),
            )
        case _:
            argv = [sys.executable, "-c", IGNORES_SIGTERM.replace("deaf", str(deaf))]
            return (
                ManagedProcess(
                    name="stubborn", argv=argv, ready=deaf.exists, stop_timeout=timedelta(minutes=5)
                ),
            )


def main() -> None:
    data_dir = Path(sys.argv[1])
    with Supervisor(data_dir, on_event=_report, signals=True) as supervisor:
        running = definitions(data_dir, sys.argv[2])
        supervisor.start(*running)
        pids = {definition.name: supervisor.pid(definition.name) for definition in running}
        sys.stdout.write(
            json.dumps({**{definition.name: definition.url for definition in running}, "pids": pids}) + "\n"
        )
        sys.stdout.flush()
        supervisor.wait()


def _report(event: ProcessEvent) -> None:
    sys.stderr.write(f"{event.name} {describe(event)}\n")


if __name__ == "__main__":
    main()
