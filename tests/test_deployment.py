"""The deployment files start the same processes on one machine, on several and in containers."""

import json
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
import yaml
from celery import Celery
from pydantic import SecretStr, ValidationError
from sqlalchemy.engine import make_url

from dispatcher.cli.app import build
from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier
from dispatcher.local import process_commands
from dispatcher.sandbox.provider_options import http_options
from dispatcher.sandbox.settings import read_settings
from dispatcher.settings import ProviderSettings, Settings
from dispatcher.store.migrate import upgrade
from tests.conftest import plain_url
from tests.world import World
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
    assert flower["environment"].keys() > {"REDIS_URL"}
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
    assert re.findall(r"^ *\w*(?:PASSWORD|SECRET)\w*: *[^$\s].*$", text, re.MULTILINE) == []
    assert re.findall(r"//\w*:[^$@]\w*@", text) == []


SECRETS = {
    "api": {"DATABASE_URL", "REDIS_URL", "DISPATCHER_PROVIDERS", "DISPATCHER_JWT_SECRET"},
    **{name: {"DATABASE_URL", "REDIS_URL", "DISPATCHER_PROVIDERS"} for name in process_commands.WORKERS},
    "beat": {"REDIS_URL"},
    "flower": {"REDIS_URL", "DISPATCHER_FLOWER_AUTH"},
    "sandbox": set(),
    "migrate": {"DATABASE_URL", "REDIS_URL"},
}


@pytest.mark.parametrize("name", SECRETS)
def test_a_container_gets_only_the_secrets_that_its_process_needs(name: str) -> None:
    service = _compose()[name]
    assert "env_file" not in service, "it would bring all of .env"
    given = set(service.get("environment", {}))
    assert {variable for variable in given if variable in set().union(*SECRETS.values())} == SECRETS[name]
    assert bool(service.get("volumes")) == ("DISPATCHER_PROVIDERS" in SECRETS[name])


@pytest.mark.parametrize("name", ["api", *process_commands.WORKERS])
def test_a_container_gets_every_setting_of_env(name: str) -> None:
    """A name without a value is taken from .env; one that is missing here would be ignored in silence."""
    given = _compose()[name]["environment"]
    own = {"database_url", "redis_url", "jwt_secret"}
    wanted = {f"DISPATCHER_{field.upper()}" for field in Settings.model_fields if field not in own}
    assert sorted(wanted - given.keys()) == []
    assert {variable for variable in wanted if given[variable] is not None} == set()


@pytest.mark.parametrize("name", _compose())
def test_a_container_is_confined(name: str) -> None:
    service = _compose()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid"} & service.keys()
    assert service.get("user") not in {"root", "0"}
    assert "build" in service or "user" in service, "the image's own user is root"
    assert "build" not in service or service["tmpfs"] == "/tmp"


def test_images_are_pinned_by_an_exact_version_or_a_digest() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    images = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    images += [service["image"] for service in _compose().values() if "build" not in service]
    assert len(images) == 4
    for image in images:
        assert re.search(r":\d+\.\d+(\.\d+)?(-[a-z-]+)?$|@sha256:[0-9a-f]{64}$", image), image


def test_the_image_checks_the_health_of_its_default_command_and_runs_as_a_user() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    [port] = re.findall(r"^EXPOSE (\d+)$", dockerfile, re.MULTILINE)
    assert f"http://127.0.0.1:{port}/readyz" in dockerfile.partition("HEALTHCHECK")[2]
    [user] = re.findall(r"^USER (\d+)$", dockerfile, re.MULTILINE)
    assert int(user) > 0
    for name, service in _compose().items():  # of the same image, with other commands
        assert "build" not in service or name in HEALTH or service["healthcheck"] == {"disable": True}


def test_migrations_run_as_the_owner_and_the_application_as_another_role() -> None:
    services = _compose()
    owner = services["postgres"]["environment"]["POSTGRES_USER"]
    assert services["migrate"]["environment"]["DATABASE_URL"].startswith(f"postgresql://{owner}:")
    assert services["api"]["environment"]["DATABASE_URL"].startswith("postgresql://dispatcher:")
    assert owner != "dispatcher"


def test_the_applications_role_sends_messages_and_owns_nothing(settings: Settings) -> None:
    """deploy/roles.sql on a real Postgres, as psql would run it: then the tables, as their owner."""
    url = make_url(settings.database_url.get_secret_value()).set(database="confined")
    with psycopg.connect(plain_url(settings.database_url.get_secret_value()), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS confined WITH (FORCE)")
        connection.execute("DROP ROLE IF EXISTS application")
        connection.execute("CREATE DATABASE confined")
    owner_url = url.render_as_string(hide_password=False)
    try:
        with psycopg.connect(plain_url(owner_url), autocommit=True) as connection:
            connection.execute(
                _roles_sql(database="confined", role="application", password="hidden").encode()
            )
        upgrade(owner_url)
        role_url = url.set(username="application", password="hidden").render_as_string(hide_password=False)
        world = World(settings.model_copy(update={"database_url": SecretStr(role_url)}))

        async def story() -> None:
            message = (await world.submit()).messages[0]
            await world.clock.tick()
            await world.deliver()
            assert (await world.row(message.id)).status == Status.SENT

        world.run(story)
        with psycopg.connect(plain_url(role_url), autocommit=True) as connection:
            for refused in (
                "CREATE TABLE mine (id int)",
                "DROP TABLE messages",
                "CREATE ROLE other SUPERUSER",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(refused)
    finally:
        with psycopg.connect(
            plain_url(settings.database_url.get_secret_value()), autocommit=True
        ) as connection:
            connection.execute("DROP DATABASE IF EXISTS confined WITH (FORCE)")
            connection.execute("DROP ROLE IF EXISTS application")


def _roles_sql(*, database: str, role: str, password: str) -> str:
    """Return the script without comments and psql's own commands, for a role of another name."""
    lines = (ROOT / "deploy" / "roles.sql").read_text(encoding="utf-8").splitlines()
    script = "\n".join(line for line in lines if not line.startswith(("\\", "--")))
    script = script.replace("dispatcher", role)
    return script.replace(':"DBNAME"', database).replace(":'password'", f"'{password}'")
