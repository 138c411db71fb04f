"""The processes that `dispatcher up` would start, without starting them."""

import json
import stat
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from dispatcher.domain.errors import Misconfigured
from dispatcher.local import process_commands
from dispatcher.local.embedded.ports import free_port
from dispatcher.local.embedded.postgres import postgres_process
from dispatcher.local.embedded.valkey import valkey_process
from dispatcher.local.stack_plan import StackPlan


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "DISPATCHER_PROVIDERS",
        "DISPATCHER_PROVIDERS_FILE",
        "DISPATCHER_SIMULATED_NUMBERS",
        "DISPATCHER_JWT_SECRET",
        "DISPATCHER_JWT_SECRET_FILE",
        "DISPATCHER_FLOWER_AUTH",
        "FLOWER_BASIC_AUTH",
    ):
        monkeypatch.delenv(name, raising=False)


def provider(plan: StackPlan) -> Any:
    [configured] = json.loads(plan.environment()["DISPATCHER_PROVIDERS"])
    return configured


def test_each_queue_has_a_worker_and_the_less_urgent_ones_are_nice(tmp_path: Path) -> None:
    parts = StackPlan(tmp_path).processes()
    assert [p.name for p in parts] == [
        "sandbox", "api", "worker-critical", "worker-critical-2", "worker-standard", "worker-bulk",
        "worker-clock", "worker-system", "beat", "flower",
    ]  # fmt: skip
    assert {p.name: p.nice for p in parts if p.nice} == {"worker-bulk": 10, "worker-system": 5}


def test_no_secret_is_on_a_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_FLOWER_AUTH", "user:hidden")
    plan = StackPlan(tmp_path)
    secret = provider(plan)["options"]["receipts"]["signature"]["secret"]
    words = " ".join(word for part in plan.processes() for word in part.argv)
    assert secret not in words
    assert plan.sandbox_token not in words
    assert plan.environment()["DISPATCHER_JWT_SECRET"] not in words
    assert "hidden" not in words


def test_the_receipt_secret_is_created_once_and_shared_with_the_sandbox(tmp_path: Path) -> None:
    first, again = provider(StackPlan(tmp_path)), provider(StackPlan(tmp_path, port=9000))
    file = tmp_path / "sandbox.json"
    secret = first["options"]["receipts"]["signature"]["secret"]
    assert secret == again["options"]["receipts"]["signature"]["secret"]
    settings = json.loads(file.read_text())
    assert settings == {"receipt_secret": secret, "control_token": StackPlan(tmp_path).sandbox_token}
    assert len(settings["control_token"]) >= 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_sandbox_posts_receipts_to_the_api_alone(tmp_path: Path) -> None:
    plan = StackPlan(tmp_path, "0.0.0.0", port=9000)
    assert plan.processes()[0].argv[-1] == "--post-to=127.0.0.1:9000"
    assert "--host=127.0.0.1" in plan.processes()[0].argv


def test_sandbox_settings_of_the_user_are_kept(tmp_path: Path) -> None:
    (tmp_path / "sandbox.json").write_text('{"latency_ms": 5, "receipt_secret": "long enough"}')
    assert provider(StackPlan(tmp_path))["options"]["receipts"]["signature"]["secret"] == "long enough"
    assert json.loads((tmp_path / "sandbox.json").read_text())["latency_ms"] == 5


def test_a_sandbox_file_that_is_not_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "sandbox.json").write_text("{")
    with pytest.raises(Misconfigured, match=r"sandbox\.json is not JSON"):
        StackPlan(tmp_path).environment()


def test_providers_of_the_user_win_over_the_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_PROVIDERS", "[]")
    assert "DISPATCHER_PROVIDERS" not in StackPlan(tmp_path).environment()
    assert (tmp_path / "sandbox.json").exists(), "the sandbox still starts, with its own settings"


def test_numbers_are_simulated_only_where_the_sandbox_is_the_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert StackPlan(tmp_path).environment()["DISPATCHER_SIMULATED_NUMBERS"] == "true"
    monkeypatch.setenv("DISPATCHER_PROVIDERS", "[]")
    assert "DISPATCHER_SIMULATED_NUMBERS" not in StackPlan(tmp_path).environment()


def test_the_token_secret_is_created_once_and_kept_private(tmp_path: Path) -> None:
    secret = StackPlan(tmp_path).environment()["DISPATCHER_JWT_SECRET"]
    assert len(secret) >= 32
    assert StackPlan(tmp_path, port=9000).environment()["DISPATCHER_JWT_SECRET"] == secret
    assert (tmp_path / "jwt.key").read_text().strip() == secret
    assert stat.S_IMODE((tmp_path / "jwt.key").stat().st_mode) == 0o600
    (tmp_path / "jwt.key").write_text("")
    assert len(StackPlan(tmp_path).environment()["DISPATCHER_JWT_SECRET"]) >= 32


@pytest.mark.parametrize("name", ["DISPATCHER_JWT_SECRET", "DISPATCHER_JWT_SECRET_FILE"])
def test_a_token_secret_of_the_user_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "x" * 32)
    assert "DISPATCHER_JWT_SECRET" not in StackPlan(tmp_path).environment()
    assert not (tmp_path / "jwt.key").exists()


def test_flower_without_a_login_stays_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_to_all = StackPlan(tmp_path, "0.0.0.0")
    assert "--address=127.0.0.1" in open_to_all.processes()[-1].argv
    monkeypatch.setenv("DISPATCHER_FLOWER_AUTH", "user:password")
    assert "--address=0.0.0.0" in open_to_all.processes()[-1].argv
    assert open_to_all.processes()[-1].env == {"FLOWER_BASIC_AUTH": "user:password"}


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://[::1]:8080"),
        ("sms.example", "http://sms.example:8080"),
    ],
)
def test_a_url_works_on_this_machine_for_every_listening_address(tmp_path: Path, host: str, url: str) -> None:
    plan = StackPlan(tmp_path, host)
    assert plan.base_url == url
    assert provider(plan)["options"]["receipt_url"] == f"{url}/receipts/sandbox"


def test_the_same_port_twice_is_refused_with_both_options(tmp_path: Path) -> None:
    port = free_port()
    with pytest.raises(Misconfigured, match=f"--port and --flower-port are both {port}"):
        StackPlan(tmp_path, port=port, flower_port=port).require_ports()


def test_celery_never_imports_from_the_working_directory() -> None:
    flower = process_commands.flower("127.0.0.1", 1)
    for command in (process_commands.worker("bulk"), process_commands.beat(), flower):
        assert command[1] == "-P"
    [workdir] = [word for word in flower if word.startswith("--workdir=")]
    assert (Path(workdir.partition("=")[2]) / "workers" / "app.py").exists()


def test_all_processes_stop_within_twenty_seconds_whatever_hangs(tmp_path: Path) -> None:
    parts = [postgres_process(tmp_path), valkey_process(tmp_path), *StackPlan(tmp_path).processes()]
    stages = [
        max(part.stop_timeout for part in stage)
        if together
        else sum((p.stop_timeout for p in stage), timedelta())
        for together, group in groupby(parts, key=lambda part: part.together)
        for stage in [list(group)]
    ]
    assert sum(stages, timedelta()) + timedelta(seconds=1) < timedelta(
        seconds=20
    )  # a second for the guardian


def test_each_process_gets_only_the_secrets_that_it_needs(tmp_path: Path) -> None:
    urls = {"DATABASE_URL", "REDIS_URL"}
    needed = {
        "api": {
            *urls,
            "DISPATCHER_PROVIDERS",
            "DISPATCHER_JWT_SECRET",
        },  # a receipt's signature is a provider's
        **{name: {*urls, "DISPATCHER_PROVIDERS"} for name in process_commands.WORKERS},
        "beat": {"REDIS_URL"},
        "flower": {"REDIS_URL", "DISPATCHER_FLOWER_AUTH", "FLOWER_BASIC_AUTH"},
        "sandbox": set(),
    }
    every = set().union(*needed.values())
    for part in StackPlan(tmp_path).processes():
        assert {name for name in every if name not in part.without} == needed[part.name]
        assert {f"{name}_FILE" for name in every} - part.without == {
            f"{name}_FILE" for name in needed[part.name]
        }
