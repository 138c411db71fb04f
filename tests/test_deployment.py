"""What the deployment files promise: the same processes on one machine, on many and in containers."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dispatcher.domain.tier import Tier

ROOT = Path(__file__).resolve().parent.parent
QUEUES = (*Tier, "clock", "system")
SERVERS = {"postgres", "valkey"}
ONE_SHOT = {"migrate"}


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
    assert _procfile() == composed


@pytest.mark.parametrize("queue", QUEUES)
def test_every_queue_has_a_worker(queue: str) -> None:
    pattern = re.compile(rf"(nice -n \d+ )?dispatcher worker {queue}")
    assert [name for name, command in _procfile().items() if pattern.fullmatch(command)] == [
        f"worker-{queue}"
    ]


def test_bulk_runs_nicer_than_everything_else() -> None:
    assert [name for name, command in _procfile().items() if command.startswith("nice")] == ["worker-bulk"]


def test_nothing_starts_before_the_tables_are_there() -> None:
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


def test_the_bundled_valkey_keeps_its_data_and_never_evicts() -> None:
    command = " ".join(_compose()["valkey"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
