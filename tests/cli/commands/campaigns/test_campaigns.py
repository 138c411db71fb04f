"""`dispatcher campaign`: create, change, start, follow, stop, and import of recipients."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dispatcher.service.campaigns.launch import launch
from tests.campaign import run_what_is_due
from tests.cli.command import Run, refused
from tests.world import World

NUMBERS = ["+254712345678", "0712345679", "+254712345680"]


@pytest.fixture
def shop_with_audience(shop: Run, tmp_path: Path) -> Run:
    """Return `run` on a dispatcher whose account `shop` has a sender and an audience `customers`."""
    shop("sender", "add", "shop", "SHOP")
    file = sheet(tmp_path, "to,name", *(f"{number},Ada" for number in NUMBERS))
    assert shop("campaign", "import", file, "--name", "customers").code == 0
    return shop


def sheet(directory: Path, *lines: str) -> str:
    (directory / "file.csv").write_text("\n".join(lines), encoding="utf-8")
    return str(directory / "file.csv")


def create(shop_with_audience: Run, *more: str, name: str = "spring") -> Any:
    created = shop_with_audience(
        "campaign", "create", name, "--audience", "customers", "--text", "Hi {{name}}", "--json", *more
    )
    assert created.code == 0, created.err
    return created.json


def shown(shop_with_audience: Run, name: str = "spring") -> Any:
    return shop_with_audience("campaign", "show", name, "--json").json


def test_a_new_draft_is_printed_with_the_command_that_starts_it(shop_with_audience: Run) -> None:
    created = shop_with_audience(
        "campaign", "create", "spring", "--audience", "customers", "--text", "Hi {{name}}",
        "--at", "2027-12-01T10:00", "--timezone", "Europe/Paris", "--spread", "3h", "--validity", "24h",
        "--hours", "mon-sun 08:00-20:00", "--max-cost", "50",
    )  # fmt: skip
    first, *texts = created.out.splitlines()
    assert first == "campaign spring is draft: 3 recipients, once, 2027-12-01 10:00:00 Europe/Paris"
    assert [text.split(", ")[1] for text in texts[:3]] == ["1 segment: Hi Ada"] * 3
    assert texts[3:] == ["texts: 3 with 1 segment"]
    found = shown(shop_with_audience)
    assert created.err == f"Start it with: dispatcher campaign start {found['id']}\n"
    expected = {
        "state": "draft", "audience": "customers", "recipients": 3, "sender": "SHOP", "tier": "bulk",
        "at": "2027-12-01T09:00:00+00:00", "spread_seconds": 10_800.0, "validity_seconds": 86_400.0,
        "hours": {"mon-sun": ["08:00-20:00"], "holidays": [], "zone": None}, "max_cost": 50, "runs": [],
    }  # fmt: skip
    assert {key: found[key] for key in expected} == expected


def test_a_cron_campaign_shows_its_next_run_in_its_time_zone(shop_with_audience: Run) -> None:
    create(
        shop_with_audience,
        "--cron",
        "0 9 * * MON",
        "--timezone",
        "Europe/Paris",
        "--from",
        "2027-07-01",
        "--start",
    )
    printed = shop_with_audience("campaign", "show", "spring").out
    assert "  when      0 9 * * MON in Europe/Paris from 2027-07-01\n" in printed
    assert "  next due  2027-07-05 09:00:00 Europe/Paris\n" in printed


def test_all_faults_are_reported_in_one_line_by_option(shop_with_audience: Run) -> None:
    ended = shop_with_audience(
        "campaign", "create", "spring", "--audience", "nobody", "--sender", "NONE", "--max-cost", "0"
    )
    refused(ended, 2, "--audience: account 'shop' has no audience 'nobody'")
    for words in (
        "--text: a campaign needs a text",
        "--sender: account 'shop' has no sender",
        "--at: say when",
    ):
        assert words in ended.err
    assert shop_with_audience("campaign", "list", "--json").json == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--spread", "3 hours"], "--spread '3 hours' is not a duration"),
        (["--validity", "1w"], "--validity '1w' is not a duration"),
        (["--at", "noon"], "--at 'noon' is not a time"),
        (["--at", "+1h", "--now"], "--now and --at contradict each other"),
        (["--cron", "0 9 * * *", "--from", "monday"], "--from 'monday' is not a date"),
        (["--per-second", "many"], "--per-second 'many' is not a number"),
        (["--per-second", "1e12"], "--per-second: is at most 1,000,000"),
        (["--max-cost", "much"], "--max-cost 'much' is not a number"),
        (["--hours", "all day"], "\"all\" has 'day', which is not a span of time"),
        (["--timezone", "Mars/Base"], '"Mars/Base" is not a time zone'),
    ],
)
def test_a_wrong_option_is_refused_with_an_example(
    shop_with_audience: Run, options: Sequence[str], words: str
) -> None:
    when = [] if {"--at", "--cron"} & set(options) else ["--now"]
    refused(
        shop_with_audience(
            "campaign", "create", "x", "--audience", "customers", "--text", "Hello", *when, *options
        ),
        2,
        words,
    )


def test_a_campaign_needs_recipients(shop_with_audience: Run) -> None:
    refused(
        shop_with_audience("campaign", "create", "x", "--text", "Hi", "--now"),
        2,
        "a campaign needs recipients: give --audience LIST or --csv FILE",
    )


def test_a_file_becomes_the_audience_of_its_campaign(shop_with_audience: Run, tmp_path: Path) -> None:
    file = sheet(tmp_path, "phone;first", "0712345678;Ada", "twelve;Bob", "0712345679;Eve")
    created = shop_with_audience(
        "campaign", "create", "summer", "--csv", file, "--text", "Hi {{first}}", "--now"
    )
    assert created.out.startswith("campaign summer is draft: 2 recipients, once, ")
    assert created.err.startswith(
        "audience summer: 3 lines, 1 left out, 2 recipients, read as utf-8, separated by semicolon\n"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hi {{nick}}", "--text: names nick, which the audience has no column for"),  # seen after the import
        (" ", "--text: a campaign needs a text"),  # seen before it
    ],
)
def test_a_file_leaves_no_audience_behind_when_its_campaign_is_refused(
    shop_with_audience: Run, tmp_path: Path, text: str, words: str
) -> None:
    file = sheet(tmp_path, "to", NUMBERS[0])
    refused(shop_with_audience("campaign", "create", "x", "--csv", file, "--text", text, "--now"), 2, words)
    again = shop_with_audience("campaign", "create", "x", "--csv", file, "--text", "Hello", "--now")
    assert again.code == 0


def test_campaign_import_is_audience_import(shop_with_audience: Run, tmp_path: Path) -> None:
    file = sheet(tmp_path, "to,name", f"{NUMBERS[0]},Ada", "twelve,Bob")
    done = shop_with_audience("campaign", "import", file, "--name", "others", "--json").json
    assert (done["name"], done["recipients"], done["rejects"]) == ("others", 1, 1)
    again = shop_with_audience("campaign", "import", file, "--name", "others")
    refused(again, 1, "an audience 'others' exists already")
    refused(
        shop_with_audience("campaign", "import", "missing.csv", "--name", "x"), 1, "missing.csv: No such file"
    )


def test_a_draft_is_changed_field_by_field(shop_with_audience: Run) -> None:
    create(shop_with_audience, "--at", "2027-12-01T10:00", "--spread", "3h", "--max-cost", "50")
    changed = shop_with_audience(
        "campaign", "change", "spring", "--cron", "0 9 * * MON", "--per-second", "5", "--max-cost", "none"
    )
    assert changed.out == "campaign spring is draft, 0 9 * * MON in UTC\n"
    found = shown(shop_with_audience)
    expected = {
        "at": None,
        "cron": "0 9 * * MON",
        "spread_seconds": None,
        "per_second": 5.0,
        "max_cost": None,
    }
    assert {key: found[key] for key in expected} == expected
    assert (found["text"], found["audience"], found["sender"]) == ("Hi {{name}}", "customers", "SHOP")
    refused(shop_with_audience("campaign", "change", "spring"), 2, "nothing to change")
    refused(shop_with_audience("campaign", "change", "spring", "--name", " "), 2, "--name: has 1 to 100")


def test_a_template_and_a_text_replace_each_other(shop_with_audience: Run) -> None:
    created = shop_with_audience("template", "add", "shop", "hello", "Dear {{name}}", "--json").json["id"]
    create(shop_with_audience, "--now")
    shop_with_audience("campaign", "change", "spring", "--template", created)
    assert (shown(shop_with_audience)["text"], shown(shop_with_audience)["template_id"]) == (
        "Dear {{name}}",
        created,
    )
    shop_with_audience("campaign", "change", "spring", "--text", "Bye")
    assert (shown(shop_with_audience)["text"], shown(shop_with_audience)["template_id"]) == ("Bye", None)


def test_a_campaign_is_named_by_its_name_or_its_id(shop_with_audience: Run) -> None:
    created = create(shop_with_audience, "--now")
    assert shown(shop_with_audience, created["id"]) == shown(shop_with_audience, "spring")
    refused(shop_with_audience("campaign", "show", "autumn"), 1, "account 'shop' has no campaign 'autumn'")


def test_the_list_has_a_line_for_each_campaign(shop_with_audience: Run) -> None:
    create(shop_with_audience, "--now")
    create(shop_with_audience, "--cron", "0 9 * * *", name="daily")
    header, first, second = shop_with_audience("campaign", "list").out.splitlines()
    assert header.split() == ["id", "name", "state", "recipients", "next", "due", "(UTC)", "when"]
    assert first.split()[1:5] == ["spring", "draft", "3", "-"]
    assert second.endswith("0 9 * * * in UTC")
    assert shop_with_audience("campaign", "list", "--limit", "1").err.startswith(
        "There may be more: --after "
    )


def test_a_pause_keeps_its_reason(shop_with_audience: Run) -> None:
    create(shop_with_audience, "--now", "--start")
    assert (
        shop_with_audience("campaign", "pause", "spring", "--reason", "a wrong price in the text").code == 0
    )
    assert shop_with_audience("campaign", "show", "spring").out.startswith(
        "spring: paused, a wrong price in the text\n"
    )


def test_a_campaign_is_started_paused_resumed_and_cancelled(shop_with_audience: Run) -> None:
    create(shop_with_audience, "--at", "2027-12-01T10:00")
    for command, state in (("start", "active"), ("pause", "paused"), ("resume", "active")):
        printed = shop_with_audience("campaign", command, "spring")
        assert printed.out == f"campaign spring is {state}, once, 2027-12-01 10:00:00 UTC\n"
    refused(shop_with_audience("campaign", "start", "spring"), 1, "campaign 'spring' is active, not draft")
    ended = shop_with_audience("campaign", "cancel", "spring")
    assert ended.out == "campaign spring is cancelled: 0 messages withdrawn, 0 sent or being sent\n"
    refused(shop_with_audience("campaign", "resume", "spring"), 1, "campaign 'spring' is cancelled")


def test_cancel_counts_withdrawn_and_sent_messages(shop_with_audience: Run, world: World) -> None:
    create(shop_with_audience, "--now", "--spread", "1m", "--start")

    async def first_is_sent() -> None:
        world.time.at = datetime.now(UTC)
        await launch(world.ctx)
        await world.clock.release()
        await world.clock.fill()
        await world.deliver()

    world.run_without_account(first_is_sent)
    ended = shop_with_audience("campaign", "cancel", "spring", "--json").json
    assert (ended["state"], ended["withdrawn"], ended["out"]) == ("cancelled", 2, 1)


def test_a_run_is_shown_with_its_statuses_its_cost_and_its_end(shop_with_audience: Run, world: World) -> None:
    create(shop_with_audience, "--now", "--start")
    run_what_is_due(world)
    [run] = shown(shop_with_audience)["runs"]
    expected = {
        "state": "finished", "recipients": 3, "done": 3, "messages": 3, "left_out": 0,
        "statuses": {"12 Sent": 3}, "cost": 3, "released_at": None, "through_at": None,
    }  # fmt: skip
    assert {key: run[key] for key in expected} == expected
    printed = shop_with_audience("campaign", "show", "spring").out
    assert "  messages  for 3 of 3 recipients; 3 credits\n          3  12 Sent\n" in printed


def test_an_open_run_shows_its_end_and_what_limits_it(shop_with_audience: Run, world: World) -> None:
    create(shop_with_audience, "--now", "--spread", "2h", "--start")
    world.run_without_account(lambda: launch(world.ctx))
    [run] = shown(shop_with_audience)["runs"]
    assert run["state"] == "expanding"
    assert run["through_at"] is None  # this command knows of no provider
    assert run["limit"] == "No provider is there to take it."
    printed = shop_with_audience("campaign", "show", "spring").out
    assert "  through   at an unknown time. No provider is there to take it.\n" in printed


def test_follow_ends_with_the_run(shop_with_audience: Run, world: World) -> None:
    create(shop_with_audience, "--now", "--start")
    workers = threading.Timer(0.3, run_what_is_due, [world])
    workers.start()
    ended = shop_with_audience("campaign", "show", "spring", "--follow")
    workers.join()
    assert ended.code == 0
    assert ended.err.splitlines()[-1] == "finished: 3 of 3 sent or ended"
    assert ended.out.startswith("spring: finished\n")


def test_follow_exits_with_1_for_a_run_cut_short_and_refuses_a_draft(shop_with_audience: Run) -> None:
    create(shop_with_audience, "--now")
    refused(
        shop_with_audience("campaign", "show", "spring", "--follow"),
        1,
        "campaign 'spring' is a draft: start it first",
    )
    shop_with_audience("campaign", "cancel", "spring")
    assert shop_with_audience("campaign", "show", "spring", "--follow").code == 1


def test_results_are_written_to_a_file_or_to_standard_output(
    shop_with_audience: Run, world: World, tmp_path: Path
) -> None:
    create(shop_with_audience, "--now", "--start")
    run_what_is_due(world)
    file = tmp_path / "results.csv"
    written = shop_with_audience("campaign", "results", "spring", "--output", str(file))
    assert (written.out, written.err) == ("", f"3 results are in {file}\n")
    assert file.read_bytes().startswith(b"\xef\xbb\xbfrun,number,as_written,status,code,reason,at,")
    printed = shop_with_audience("campaign", "results", "spring")
    assert printed.out == file.read_text(encoding="utf-8-sig")
    rows = printed.out.splitlines()[1:]
    assert [row.split(",")[1] for row in rows] == [f"'+2547123456{n}" for n in (78, 79, 80)]
    refused(shop_with_audience("campaign", "results", "autumn"), 1, "no campaign 'autumn'")


def test_the_text_of_a_running_campaign_is_changed_and_each_recipient_counted(
    shop_with_audience: Run, world: World
) -> None:
    create(shop_with_audience, "--now", "--spread", "1h", "--start")
    world.run_without_account(lambda: launch(world.ctx))
    counted = shop_with_audience("campaign", "text", "spring", "--text", "Dear {{name}}", "--dry-run")
    assert counted.out == "to be given the new text: 1; to come with it: 2\n"
    changed = shop_with_audience("campaign", "text", "spring", "--text", "Dear {{name}}", "--yes")
    assert (changed.code, changed.out) == (0, "given the new text: 1; to come with it: 2\n")
    again = shop_with_audience(
        "message", "text", "--campaign", "spring", "--text", "Hey {{name}}", "--yes", "--json"
    )
    assert (again.json["changed"], again.json["to_come"], again.json["too_late"]) == (1, 2, 0)
    refused_text = shop_with_audience("campaign", "text", "spring", "--text", "Hi {{nick}}", "--yes")
    assert "names nick, which the audience has no column for; it has name" in refused_text.err
    assert "campaign text" in shop_with_audience("campaign", "change", "spring", "--text", "x").err
    assert shown(shop_with_audience)["text"] == "Hey {{name}}"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://168.63.129.16/", "the address 168.63.129.16 is private"),
        ("https://shop.example:25/", "the port 25 may not be called: only 80, 443, and 1024 to 65535"),
    ],
)
def test_a_hostile_callback_url_is_refused_with_the_reason(
    shop_with_audience: Run, url: str, reason: str
) -> None:
    command = "campaign", "create", "spring", "--audience", "customers", "--text", "Hi", "--callback-url", url
    refused(shop_with_audience(*command), 2, f"--callback-url: {reason}")
