"""The deployment files start the same processes on one machine, on several and in containers."""

import json
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from celery import Celery
from pydantic import ValidationError

from dispatcher.cli.app import build
from dispatcher.domain.tier import Tier
from dispatcher.local import process_commands
from dispatcher.sandbox.provider_options import http_options
from dispatcher.sandbox.settings import read_settings
from dispatcher.settings import ProviderSettings
from workers.schedule import beat_schedule
from workers.tasks import add_tasks

ROOT = Path(__file__).resolve().parent.parent
QUEUES = (*Tier, "clock", "system")
SERVERS = {"postgres", "valkey"}
ONE_SHOT = {"migrate"}
HEALTH = {"api": "8080/readyz", "flower": "5555/healthcheck", "sandbox": "8090/healthz"}


def _procfile() -> dict[str, str]:
    lines = (ROOT / "Procfile").read_text().splitlines()
    return {
        name: command.strip()
        for name, _, command in (line.partition(":") for line in lines)
        if name and not name.startswith("#")
    }


def _compose() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return services


def test_procfile_and_compose_start_the_same_processes() -> None:
    composed = {
        name: service["command"] for name, service in _compose().items() if name not in SERVERS | ONE_SHOT
    }
    sandbox = composed["sandbox"].replace("--host 0.0.0.0", "--host 127.0.0.1")  # of its container alone
    sandbox = sandbox.replace("--post-to api:", "--post-to 127.0.0.1:")
    assert _procfile() == composed | {"sandbox": sandbox}


@pytest.mark.parametrize("name", [*_procfile(), "migrate"])
def test_the_command_line_knows_every_command(name: str) -> None:
    words = shlex.split(_compose()[name]["command"])
    program, command, *arguments = words[words.index("dispatcher") :]
    group: Any = typer.main.get_command(build([command]))
    group.commands[command].make_context(f"{program} {command}", arguments)  # parses, and runs nothing


def test_workers_know_every_task_that_beat_starts() -> None:
    app = Celery(set_as_current=False)
    add_tasks(app, lambda: pytest.fail("no task is run here"))
    assert {entry["task"] for entry in beat_schedule().values()} <= set(app.tasks)


def test_every_queue_has_the_workers_that_up_gives_it() -> None:
    """Critical has two, of different names: while one is started again, the other sends."""
    pattern = re.compile(r"(nice -n \d+ )?dispatcher worker (\S+)( --name (\S+))?")
    found = {
        name: (match[2], match[4] or match[2])
        for name, command in _procfile().items()
        if (match := pattern.fullmatch(command))
    }
    assert found == {
        name: (queue, name.removeprefix("worker-")) for name, queue in process_commands.WORKERS.items()
    }
    assert set(process_commands.WORKERS.values()) == set(QUEUES)
    assert list(process_commands.WORKERS.values()).count("critical") == 2


def test_processes_that_are_not_urgent_run_with_a_higher_nice_value() -> None:
    nice = {name: command.split()[2] for name, command in _procfile().items() if command.startswith("nice")}
    assert nice == {"worker-bulk": "10", "worker-system": "5"}
    shares = {name: service["cpu_shares"] for name, service in _compose().items() if "cpu_shares" in service}
    assert shares == {"worker-bulk": 110, "worker-system": 335}


def test_nothing_starts_before_the_tables_exist() -> None:
    services = _compose()
    for name in _procfile().keys() - {"sandbox"}:
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}, (
            name
        )
    assert services["migrate"]["depends_on"]["postgres"] == {"condition": "service_healthy"}


def test_every_server_and_every_port_has_a_health_check() -> None:
    for name, service in _compose().items():
        if name in SERVERS or "ports" in service:
            assert "healthcheck" in service, name


@pytest.mark.parametrize(("name", "where"), HEALTH.items())
def test_each_health_check_uses_the_port_of_its_process(name: str, where: str) -> None:
    assert f"'http://127.0.0.1:{where}'" in _compose()[name]["healthcheck"]["test"][-1]


def test_flower_can_be_reached_only_in_its_container_and_from_this_machine() -> None:
    flower = _compose()["flower"]
    assert flower["environment"]["DISPATCHER_FLOWER_HOST"] == "0.0.0.0"
    assert flower["environment"].keys() > {"DATABASE_URL", "REDIS_URL"}
    assert all(port.startswith("127.0.0.1:") for port in flower["ports"])


def test_the_bundled_valkey_keeps_its_data_and_never_evicts() -> None:
    command = " ".join(_compose()["valkey"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


def test_compose_is_wired_to_its_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "a secret of the environment"
    monkeypatch.setenv("DISPATCHER_SANDBOX_SECRET", secret)
    [provider] = json.loads((ROOT / "deploy" / "providers.json").read_text(encoding="utf-8"))
    receipts = "http://api:8080/receipts/sandbox"
    options = http_options("http://sandbox:8090", receipt_url=receipts, receipt_secret=secret)
    assert ProviderSettings(**provider).options == options
    read_settings("{}", post_to=_post_to(_compose()["sandbox"]["command"])).require_destination(receipts)
    assert _compose()["sandbox"]["environment"] == {
        "DISPATCHER_SANDBOX_SECRET": "${DISPATCHER_SANDBOX_SECRET:?set it in .env}"
    }


def test_receipts_of_the_sandbox_are_signed_and_no_secret_is_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "deploy" / "providers.json").read_text(encoding="utf-8")
    monkeypatch.delenv("DISPATCHER_SANDBOX_SECRET", raising=False)
    with pytest.raises(
        ValidationError, match="set DISPATCHER_SANDBOX_SECRET, or DISPATCHER_SANDBOX_SECRET_F"
    ):
        ProviderSettings(**json.loads(text)[0])
    assert '"none"' not in text
    assert re.findall(r'"(?:secret|token|password|value)": "(?!\$\{DISPATCHER_)', text) == []


def _post_to(command: str) -> list[str]:
    words = shlex.split(command)
    return [after for word, after in pairwise(words) if word == "--post-to"]


def test_the_image_has_the_venv_alone_and_no_sources_and_no_root() -> None:
    final = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    assert re.findall(r"^(?:COPY|ADD) (.+)$", final, re.MULTILINE) == [
        "--from=build /opt/dispatcher /opt/dispatcher"
    ]
    assert re.search(r"^USER [1-9]\d*$", final, re.MULTILINE)
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"  # what is not named is left out


def test_compose_has_no_password_of_its_own() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    wanted = set(re.findall(r"\$\{(\w*(?:PASSWORD|SECRET)\w*)(:\?)?", text))
    assert {name for name, _ in wanted} >= {"POSTGRES_PASSWORD", "VALKEY_PASSWORD"}
    assert {name for name, must_be_set in wanted if not must_be_set} == set()
    assert re.findall(r"^ *\w*(?:PASSWORD|SECRET)\w*: *[^$ ].*$", text, re.MULTILINE) == []
    assert re.findall(r"//\w*:[^$@]\w*@", text) == []
