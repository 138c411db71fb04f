"""`dispatcher doctor`: its findings and its exit code."""

import os
from pathlib import Path

from tests.cli.command import Run


def test_the_doctor_finds_queues_without_a_worker_and_exits_with_1(cli: Run) -> None:
    ended = cli("doctor", "--json")
    assert ended.code == 1
    levels = {finding["subject"]: finding["level"] for finding in ended.json}
    for well in ("settings", "postgres", "clock", "redis", "migrations"):
        assert levels[well] == "ok", well
    for queue in ("critical", "standard", "bulk", "clock", "system"):
        assert levels[f"queue {queue}"] == "fail"
    assert levels["providers"] == "fail"
    assert "was never consumed -> start `dispatcher worker clock`" in cli("doctor").out


def test_the_doctor_without_a_dispatcher_reports_it_and_checks_the_rest(run: Run) -> None:
    ended = run("doctor", "--json")
    assert ended.code == 1
    assert [finding["subject"] for finding in ended.json] == ["settings", "disk"]
    assert "no dispatcher found" in ended.json[0]["text"]


def test_the_doctor_finds_unreachable_servers(run: Run) -> None:
    os.environ.update({"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"})
    ended = run("doctor", "--json")
    failed = {finding["subject"] for finding in ended.json if finding["level"] == "fail"}
    assert ended.code == 1
    assert {"postgres", "redis", "migrations"} <= failed


def test_the_doctor_finds_secrets_that_others_can_read(run: Run, bare: Path) -> None:
    (bare / "credentials.json").touch(0o600)
    (bare / "credentials.json").chmod(0o644)
    found = {finding["subject"]: finding for finding in run("doctor", "--data", str(bare), "--json").json}
    assert found["credentials.json"]["level"] == "fail"
    assert found["credentials.json"]["advice"].startswith("chmod 600 ")
