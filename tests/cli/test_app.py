"""The command line as a whole: its help, its processes, and unknown commands."""

import pytest

from tests.cli.command import Run, refused

_COMMANDS = (
    "up", "demo", "send", "message", "lanes", "account", "key", "sender", "template", "campaign", "optout",
    "operator", "doctor", "migrate", "api", "worker", "beat", "flower", "sandbox",
)  # fmt: skip


def test_help_lists_every_command(run: Run) -> None:
    ended = run("--help")
    assert ended.code == 0
    for command in _COMMANDS:
        assert f" {command} " in ended.out, command


@pytest.mark.parametrize("command", [command for command in _COMMANDS if command != "demo"])
def test_each_command_lists_its_options(run: Run, command: str) -> None:
    ended = run(command, "--help")
    assert ended.code == 0
    assert f"Usage: dispatcher {command}" in ended.out


def test_an_unknown_command_is_a_usage_error(run: Run) -> None:
    ended = run("sned")
    assert ended.code == 2
    assert "No such command 'sned'" in ended.err


def test_migrate_on_a_migrated_database_changes_nothing(cli: Run) -> None:
    first = cli("migrate")
    assert first.code == 0
    assert first.out.startswith("the database is at ")
    assert cli("migrate").out == first.out


def test_the_critical_worker_keeps_its_minimum_of_threads(cli: Run) -> None:
    refused(cli("worker", "critical", "-c", "4"), 2, "--concurrency of critical must be 64 or more, not 4")


def test_an_unknown_queue_is_a_usage_error(cli: Run) -> None:
    assert cli("worker", "urgent").code == 2


@pytest.mark.parametrize("settings", ['{"no_such": 1}', "{", '{"latency_ms": "slow"}'])
def test_the_sandbox_refuses_wrong_settings(run: Run, settings: str) -> None:
    refused(run("sandbox", "--settings", settings), 2, "--settings: ")


def test_a_missing_settings_file_is_named(run: Run) -> None:
    refused(run("sandbox", "--settings", "@missing.json"), 1, "missing.json: No such file or directory")
