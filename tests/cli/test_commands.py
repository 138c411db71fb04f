"""The command line, command by command: what is printed, and which exit code tells what."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import structlog

from dispatcher.cli import environment, main
from dispatcher.domain.errors import Misconfigured

_OURS = ("DATABASE_URL", "REDIS_URL", "DISPATCHER_", "FLOWER_")
_COMMANDS = (
    "up", "demo", "send", "message", "lanes", "account", "key", "sender", "doctor",
    "migrate", "api", "worker", "beat", "flower", "sandbox",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ended]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Give an empty working directory and an environment without a dispatcher; all comes back after."""
    before, logs = dict(os.environ), structlog.get_config()
    for name in before:
        if name.startswith(_OURS):
            del os.environ[name]
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    structlog.configure(**logs)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def run(bare: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Give a way to run a command where no dispatcher is."""

    def command(*arguments: str) -> Ended:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        printed = capsys.readouterr()
        code = caught.value.code
        assert isinstance(code, int)
        assert "Traceback" not in printed.err
        return Ended(code, printed.out, printed.err)

    return command


@pytest.fixture
def cli(run: Run, database_url: str, redis_url: str) -> Run:
    """Give a way to run a command on an empty dispatcher."""
    os.environ.update({"DATABASE_URL": database_url, "REDIS_URL": redis_url})
    return run


@pytest.fixture
def shop(cli: Run) -> Run:
    """Give the same, with an account `shop`."""
    assert cli("account", "create", "shop", "--credits", "100", "--country", "KE").code == 0
    return cli


def refused(ended: Ended, code: int, words: str) -> None:
    """Check that a command ended with this code and one line on standard error, and printed nothing."""
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith("dispatcher: ")
    assert ended.err.count("\n") == 1
    assert words in ended.err


# Accounts, keys, senders


def test_an_account_is_made_as_it_is_shown_and_listed(cli: Run) -> None:
    made = cli(
        "account", "create", "shop", "--credits", "1000", "--country", "KE", "--timezone", "Africa/Nairobi"
    )
    assert (made.code, made.out) == (0, "shop: 1,000 credits, KE, times in Africa/Nairobi\n")
    assert cli("account", "show", "shop").out == made.out
    header, row = cli("account", "list").out.splitlines()
    assert header.split() == ["id", "name", "credits", "country", "time", "zone"]
    assert row.split() == ["1", "shop", "1,000", "KE", "Africa/Nairobi"]


def test_an_account_is_told_to_programs_as_json(cli: Run) -> None:
    told = {"id": 1, "name": "shop", "balance": 0, "country": None, "timezone": "UTC"}
    assert cli("account", "create", "shop", "--json").json == told | {"senders": []}
    assert cli("account", "show", "shop", "--json").json == told | {"senders": []}
    assert cli("account", "list", "--json").json == [told]


def test_without_accounts_the_list_is_empty(cli: Run) -> None:
    assert cli("account", "list", "--json").json == []


def test_a_name_that_is_taken_is_refused(shop: Run) -> None:
    refused(shop("account", "create", "shop"), 1, "there is an account 'shop' already")
    assert len(shop("account", "list", "--json").json) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--timezone", "Mars/Olympus"], "'Mars/Olympus' is no time zone"),
        (["--timezone", "../../etc/passwd"], "is no time zone"),
        (["--country", "kenya"], "'kenya' is no country"),
        (["--credits", "-1"], "-1 is no amount of credits"),
    ],
)
def test_a_bad_option_makes_no_account(cli: Run, options: Sequence[str], words: str) -> None:
    refused(cli("account", "create", "shop", *options), 2, words)
    assert cli("account", "list", "--json").json == []


def test_an_account_needs_a_name(cli: Run) -> None:
    refused(cli("account", "create", "  "), 2, "an account needs a name")


def test_a_top_up_adds_to_the_balance(shop: Run) -> None:
    assert (
        shop("account", "topup", "shop", "2500", "--note", "invoice 7").out == "shop has 2,600 credits now\n"
    )
    assert shop("account", "topup", "shop", "1", "--json").json == {"name": "shop", "balance": 2601}


@pytest.mark.parametrize("amount", ["0", "1000000000000001"])
def test_a_bad_amount_changes_no_balance(shop: Run, amount: str) -> None:
    refused(shop("account", "topup", "shop", amount), 2, f"{amount} is no amount of credits")
    assert shop("account", "show", "shop", "--json").json["balance"] == 100


def test_an_amount_that_is_no_number_is_a_usage_error(shop: Run) -> None:
    ended = shop("account", "topup", "shop", "lots")
    assert ended.code == 2
    assert "Invalid value for 'amount'" in ended.err


@pytest.mark.parametrize(
    "command",
    [
        ["account", "show", "nobody"],
        ["account", "topup", "nobody", "5"],
        ["key", "create", "nobody"],
        ["sender", "add", "nobody", "SHOP"],
        ["sender", "list", "nobody"],
        ["send", "--account", "nobody", "--to", "+254712345678", "--text", "Hello"],
    ],
)
def test_an_account_that_is_not_there_is_refused_by_name(cli: Run, command: Sequence[str]) -> None:
    refused(cli(*command), 1, "there is no account 'nobody'")


def test_a_key_is_alone_on_standard_output(shop: Run) -> None:
    ended = shop("key", "create", "shop")
    assert ended.code == 0
    assert ended.out.startswith("sms_")
    assert ended.out.count("\n") == 1
    assert "it cannot be shown again" in ended.err
    assert ended.out.strip() not in ended.err


def test_a_key_may_have_an_end(shop: Run) -> None:
    key = shop("key", "create", "shop", "--days", "30", "--json").json
    assert (key["id"], key["account"], key["kind"]) == (1, "shop", "scheduler")
    assert key["expires_at"] is not None
    assert shop("key", "create", "shop", "--json").json["expires_at"] is None


@pytest.mark.parametrize("days", ["0", "36501", "99999999999"])
def test_an_end_that_is_none_makes_no_key(shop: Run, days: str) -> None:
    assert shop("key", "create", "shop", "--days", days).code == 2
    assert shop("key", "create", "shop", "--json").json["id"] == 1


@pytest.mark.parametrize(
    "command", [["account", "create"], ["account", "show"], ["account", "topup", "shop", "1", "--note"]]
)
def test_bytes_that_are_no_text_are_refused(cli: Run, command: Sequence[str]) -> None:
    refused(cli(*command, "caf\udce9"), 2, "the argument 'caf\\udce9' is not UTF-8")


def test_the_first_sender_is_the_default(shop: Run) -> None:
    assert shop("sender", "add", "shop", "SHOP").out == "sender 1 of shop is SHOP\n"
    assert shop("sender", "add", "shop", "Sale 24", "--json").json == {
        "id": 2,
        "account": "shop",
        "name": "Sale 24",
    }
    senders = shop("sender", "list", "shop", "--json").json
    assert [(s["id"], s["name"], s["default"]) for s in senders] == [(1, "SHOP", True), (2, "Sale 24", False)]
    header, first, _ = shop("sender", "list", "shop").out.splitlines()
    assert header.split() == ["id", "name", "default", "disabled"]
    assert first.split() == ["1", "SHOP", "yes", "-"]
    assert "  sender 1: SHOP default\n" in shop("account", "show", "shop").out


def test_a_sender_that_is_there_or_is_none_is_refused(shop: Run) -> None:
    shop("sender", "add", "shop", "SHOP")
    refused(shop("sender", "add", "shop", "SHOP"), 1, "account 'shop' has a sender 'SHOP' already")
    refused(shop("sender", "add", "shop", "much too long a name"), 2, "is no sender ID")


# Messages


def test_what_was_sent_can_be_shown_by_either_id(shop: Run) -> None:
    shop("sender", "add", "shop", "SHOP")
    sent = shop("send", "--to", "+254712345678", "--text", "Hello", "--not-before", "+2h", "--json")
    assert sent.code == 0
    [message] = sent.json["messages"]
    shown = shop("message", "show", str(message["id"]), "--json").json
    assert shown == shop("message", "show", message["public_id"], "--json").json | {
        "explanation": shown["explanation"]
    }
    assert (shown["account"], shown["dialect"], shown["number"]) == ("shop", "cli", "+254712345678")
    assert [event["status"] for event in shown["events"]] == [message["status"]]
    assert message["status_name"] in shop("message", "show", str(message["id"])).out


@pytest.mark.parametrize("name", ["1", "999999999999999999", str(UUID(int=1))])
def test_a_message_that_is_not_there_is_refused(cli: Run, name: str) -> None:
    refused(cli("message", "show", name), 1, f"there is no message {name}")


@pytest.mark.parametrize("name", ["x", "1.5", "-", "9999999999999999999"])
def test_what_is_no_id_is_refused_as_such(cli: Run, name: str) -> None:
    refused(cli("message", "show", name), 1, f"'{name}' is neither a message's number nor its public id")


def test_a_bad_time_or_number_sends_nothing(shop: Run) -> None:
    to = ["send", "--text", "Hello", "--to"]
    refused(shop(*to, "+254712345678", "--not-before", "tomorrow"), 2, "--not-before 'tomorrow' is no time")
    refused(shop(*to, "twelve"), 2, "is not a phone number")
    refused(shop(*to, "+254712345678", "--sender", "NONE"), 1, "has no sender 'NONE'")
    refused(shop("message", "show", "1"), 1, "there is no message 1")


def test_sending_needs_to_know_for_whom(cli: Run) -> None:
    send = ["send", "--to", "+254712345678", "--text", "Hello"]
    refused(cli(*send), 1, "there is no account yet")
    cli("account", "create", "a")
    cli("account", "create", "b")
    refused(cli(*send), 2, "there are several accounts, choose one with --account: a, b")


def test_wait_ends_with_1_if_the_message_was_not_received(shop: Run) -> None:
    ended = shop(
        "send", "--to", "+254712345678", "--text", "Hello", "--not-before", "+1h", "--wait", "--timeout", "0"
    )
    assert ended.code == 1
    assert ended.out.splitlines()[0].split() == ["id", "number", "status"]


def test_lanes_without_traffic_are_empty_and_never_consumed(cli: Run) -> None:
    told = cli("lanes", "--json").json
    assert told["redis"] is True
    assert [lane["tier"] for lane in told["lanes"]] == ["critical", "standard", "bulk"]
    assert {lane["last_consumed"] for lane in told["lanes"]} == {None}
    assert "never" in cli("lanes").out


# Where a command looks for its dispatcher


def test_without_any_dispatcher_a_command_says_how_to_have_one(run: Run) -> None:
    refused(run("account", "list"), 2, "no dispatcher found (there is no .data/environment): start one with")


def test_one_url_alone_is_refused(run: Run) -> None:
    os.environ["REDIS_URL"] = "redis://127.0.0.1:1/0"
    refused(run("account", "list"), 2, "REDIS_URL is set and DATABASE_URL is not: set both, or neither")


def test_a_named_directory_without_a_stack_is_refused_whatever_the_environment_has(cli: Run) -> None:
    refused(cli("account", "list", "--data", "elsewhere"), 2, "there is no elsewhere/environment")


def test_the_named_directory_wins_over_urls_which_win_over_the_default_one(bare: Path) -> None:
    stack(bare / "named", "named")
    stack(bare / "default", "default")
    stack(bare / ".data", "shipped")
    urls = {"DATABASE_URL": "postgresql://env/d", "REDIS_URL": "redis://env/0"}
    assert found(bare / "named", urls) == "postgresql://named/d"
    assert found(None, urls | {"DISPATCHER_DATA": str(bare / "default")}) is None
    assert found(None, {"DISPATCHER_DATA": str(bare / "default")}) == "postgresql://default/d"
    assert found(None, {}) == "postgresql://shipped/d"


def test_other_settings_in_the_environment_win_over_those_of_the_directory(bare: Path) -> None:
    stack(bare / "named", "named")
    assert environment.find(bare / "named", {}) == environment.read(bare / "named" / "environment")
    assert "DISPATCHER_LEASE" not in environment.find(bare / "named", {"DISPATCHER_LEASE": "60"})


def test_a_command_works_on_the_stack_of_a_named_directory(shop: Run, bare: Path) -> None:
    environment.write(bare / "environment", os.environ)
    os.environ.update({"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"})
    assert shop("account", "show", "shop", "--data", str(bare)).code == 0


def test_an_environment_file_is_read_as_it_was_written_and_is_private(bare: Path) -> None:
    told = {"DATABASE_URL": "p", "REDIS_URL": "r", "DISPATCHER_PROVIDERS": '[{"a": "it\'s $HOME"}]\n#'}
    environment.write(bare / "environment", {**told, "HOME": "/", "DISPATCHER_LEASE_FILE": "f"})
    assert environment.read(bare / "environment") == told
    assert (bare / "environment").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["NAME\n", "NAME='open\n"])
def test_an_environment_file_that_cannot_be_read_is_named(bare: Path, text: str) -> None:
    (bare / "environment").write_text(text)
    with pytest.raises(Misconfigured, match="cannot be read as NAME=VALUE lines"):
        environment.read(bare / "environment")


def test_a_database_that_is_away_is_told_in_one_line(run: Run) -> None:
    os.environ.update({"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"})
    refused(run("account", "list"), 1, "`dispatcher doctor` tells more")


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "hidden"),
        ("DATABASE_URL", "postgresql://user@host:hidden/d"),
        ("REDIS_URL", "hidden"),
        ("REDIS_URL", "http://hidden"),
        ("REDIS_URL", "redis://host:hidden/0"),
    ],
)
def test_a_url_that_cannot_be_read_is_named_and_not_shown(run: Run, name: str, url: str) -> None:
    os.environ.update({"DATABASE_URL": "postgresql://h/d", "REDIS_URL": "redis://h/0", name: url})
    refused(run("account", "list"), 2, f"{name} is not like ")
    told = run("doctor", "--json")
    assert (told.code, told.json[0]["subject"]) == (1, "settings")
    assert "hidden" not in told.out


# Doctor, processes, help


def test_the_doctor_finds_queues_that_nobody_consumes_and_ends_with_1(cli: Run) -> None:
    ended = cli("doctor", "--json")
    assert ended.code == 1
    levels = {finding["subject"]: finding["level"] for finding in ended.json}
    for well in ("settings", "postgres", "clock", "redis", "migrations"):
        assert levels[well] == "ok", well
    for queue in ("critical", "standard", "bulk", "clock", "system"):
        assert levels[f"queue {queue}"] == "fail"
    assert levels["providers"] == "fail"
    assert "was never consumed -> start `dispatcher worker clock`" in cli("doctor").out


def test_the_doctor_without_a_dispatcher_says_so_and_still_looks_around(run: Run) -> None:
    ended = run("doctor", "--json")
    assert ended.code == 1
    assert [finding["subject"] for finding in ended.json] == ["settings", "disk"]
    assert "no dispatcher found" in ended.json[0]["text"]


def test_the_doctor_finds_servers_that_are_away(run: Run) -> None:
    os.environ.update({"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"})
    ended = run("doctor", "--json")
    failed = {finding["subject"] for finding in ended.json if finding["level"] == "fail"}
    assert ended.code == 1
    assert {"postgres", "redis", "migrations", "queues"} <= failed


def test_the_doctor_finds_secrets_that_others_can_read(run: Run, bare: Path) -> None:
    (bare / "credentials.json").touch(0o600)
    (bare / "credentials.json").chmod(0o644)
    found = {finding["subject"]: finding for finding in run("doctor", "--data", str(bare), "--json").json}
    assert found["credentials.json"]["level"] == "fail"
    assert found["credentials.json"]["advice"].startswith("chmod 600 ")


def test_migrate_on_a_migrated_database_changes_nothing(cli: Run) -> None:
    first = cli("migrate")
    assert first.code == 0
    assert first.out.startswith("the database is at ")
    assert cli("migrate").out == first.out


def test_the_critical_worker_is_not_made_narrow(cli: Run) -> None:
    refused(cli("worker", "critical", "-c", "4"), 2, "--concurrency of critical must be 64 or more, not 4")


def test_a_queue_that_is_none_is_a_usage_error(cli: Run) -> None:
    assert cli("worker", "urgent").code == 2


@pytest.mark.parametrize("settings", ['{"no_such": 1}', "{", '{"latency_ms": "slow"}'])
def test_the_sandbox_refuses_settings_that_are_none(run: Run, settings: str) -> None:
    refused(run("sandbox", "--settings", settings), 2, "--settings: ")


def test_a_settings_file_that_is_not_there_is_named(run: Run) -> None:
    refused(run("sandbox", "--settings", "@missing.json"), 1, "missing.json: No such file or directory")


def test_help_lists_every_command(run: Run) -> None:
    ended = run("--help")
    assert ended.code == 0
    for command in _COMMANDS:
        assert f" {command} " in ended.out, command


@pytest.mark.parametrize("command", [command for command in _COMMANDS if command != "demo"])
def test_each_command_tells_its_options(run: Run, command: str) -> None:
    ended = run(command, "--help")
    assert ended.code == 0
    assert f"Usage: dispatcher {command}" in ended.out


def test_what_is_no_command_is_a_usage_error(run: Run) -> None:
    ended = run("sned")
    assert ended.code == 2
    assert "No such command 'sned'" in ended.err


def stack(directory: Path, host: str) -> None:
    """Write down a stack as `dispatcher up` does."""
    directory.mkdir()
    told = {
        "DATABASE_URL": f"postgresql://{host}/d",
        "REDIS_URL": f"redis://{host}/0",
        "DISPATCHER_LEASE": "90",
    }
    environment.write(directory / "environment", told)


def found(data: Path | None, environ: dict[str, str]) -> str | None:
    return environment.find(data, environ).get("DATABASE_URL")
