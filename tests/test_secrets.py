"""Each process starts with the secrets that it needs, and gets no others."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dispatcher.local.embedded.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
SECRETS = {
    "DATABASE_URL": "postgresql://user:hidden@127.0.0.1:1/sms",
    "REDIS_URL": "redis://:hidden@127.0.0.1:1/0",
    "DISPATCHER_PROVIDERS": "[]",
    "DISPATCHER_JWT_SECRET": "hidden" * 8,
    "DISPATCHER_FLOWER_AUTH": "user:hidden",
    "POSTGRES_PASSWORD": "hidden",
}
# Runs the command in a process whose `exec` prints the environment that the next program would get.
_SHOW = (
    "import json, os, sys; from dispatcher.cli.app import main\n"
    "os.execv = lambda *_: sys.exit(print(json.dumps(dict(os.environ))))\n"
    "main()"
)


def _python(code: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    inherited = {n: v for n, v in os.environ.items() if n not in SECRETS and not n.startswith("DISPATCHER_")}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**inherited, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("command", "kept"),
    [
        (["worker", "bulk"], {"DATABASE_URL", "REDIS_URL", "DISPATCHER_PROVIDERS"}),
        (["beat"], {"REDIS_URL"}),
        (["flower", "--port", str(free_port())], {"REDIS_URL", "DISPATCHER_FLOWER_AUTH"}),
    ],
)
def test_a_command_passes_on_only_the_secrets_that_its_process_needs(
    command: list[str], kept: set[str]
) -> None:
    done = _python(_SHOW, *command, **SECRETS)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout).keys() & SECRETS.keys() == kept


@pytest.mark.parametrize("command", ["beat", "flower"])
def test_beat_and_flower_start_with_the_broker_alone(command: str) -> None:
    done = _python(_SHOW, command, REDIS_URL=SECRETS["REDIS_URL"])
    assert done.returncode == 0, done.stderr
    again = _python(
        "import workers.broker; print(sorted(workers.broker.app.conf.beat_schedule))",
        REDIS_URL=SECRETS["REDIS_URL"],
    )
    assert "tick" in again.stdout, again.stderr


def test_a_worker_needs_the_database_and_says_so() -> None:
    done = _python("import workers.app", REDIS_URL=SECRETS["REDIS_URL"])
    assert "DATABASE_URL" in done.stderr


def test_beat_without_a_broker_says_what_to_do(tmp_path: Path) -> None:
    done = _python(_SHOW, "beat", DISPATCHER_DATA=str(tmp_path))
    assert done.returncode == 2
    assert "start one with `dispatcher up`" in done.stderr
