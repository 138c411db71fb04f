"""Campaigns at the command line: planned, changed, started, followed, stopped; and their recipients read."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dispatcher.service.campaigns.launch import launch
from tests.cli.command import Run, refused
from tests.world import World

NUMBERS = ["+254712345678", "0712345679", "+254712345680"]


@pytest.fixture
def office(shop: Run, tmp_path: Path) -> Run:
    """Give a way to run commands where the account `shop` has a sender and an audience `customers`."""
    shop("sender", "add", "shop", "SHOP")
    file = sheet(tmp_path, "to,name", *(f"{number},Ada" for number in NUMBERS))
    assert shop("campaign", "import", file, "--name", "customers").code == 0
    return shop


def sheet(directory: Path, *lines: str) -> str:
    (directory / "file.csv").write_text("\n".join(lines), encoding="utf-8")
    return str(directory / "file.csv")


def create(office: Run, *more: str, name: str = "spring") -> Any:
    made = office(
        "campaign", "create", name, "--audience", "customers", "--text", "Hi {{name}}", "--json", *more
    )
    assert made.code == 0, made.err
    return made.json


def shown(office: Run, name: str = "spring") -> Any:
    return office("campaign", "show", name, "--json").json


def tick(world: World) -> None:
    """Do what the system worker, the clock and a bulk worker do until nothing is left to do."""

    async def story() -> None:
        world.time.at = datetime.now(UTC)
        while await launch(world.ctx):
            while await world.clock.release() + await world.clock.fill() or world.lanes.published:
                await world.deliver()
        await launch(world.ctx)

    world.run_without_account(story)


def test_a_draft_says_what_it_is_to_be_and_how_it_is_started(office: Run) -> None:
    made = office(
        "campaign", "create", "spring", "--audience", "customers", "--text", "Hi {{name}}",
        "--at", "2027-12-01T10:00", "--timezone", "Europe/Paris", "--spread", "3h", "--validity", "24h",
        "--hours", "mon-sun 08:00-20:00", "--max-cost", "50",
    )  # fmt: skip
    assert made.out == "campaign spring is draft: 3 recipients, once, 2027-12-01 10:00:00 Europe/Paris\n"
    found = shown(office)
    assert made.err == f"It waits: dispatcher campaign start {found['id']}\n"
    wanted = {
        "state": "draft", "audience": "customers", "recipients": 3, "sender": "SHOP", "tier": "bulk",
        "at": "2027-12-01T09:00:00+00:00", "spread_seconds": 10_800.0, "validity_seconds": 86_400.0,
        "hours": {"mon-sun": ["08:00-20:00"], "holidays": [], "zone": None}, "max_cost": 50, "runs": [],
    }  # fmt: skip
    assert {key: found[key] for key in wanted} == wanted


def test_a_campaign_by_cron_tells_its_next_run_on_the_wall_of_its_zone(office: Run) -> None:
    create(office, "--cron", "0 9 * * MON", "--timezone", "Europe/Paris", "--from", "2027-07-01", "--start")
    told = office("campaign", "show", "spring").out
    assert "  when      0 9 * * MON in Europe/Paris from 2027-07-01\n" in told
    assert "  next due  2027-07-05 09:00:00 Europe/Paris\n" in told


def test_all_faults_are_told_in_one_line_by_the_names_of_the_options(office: Run) -> None:
    ended = office(
        "campaign", "create", "spring", "--audience", "nobody", "--sender", "NONE", "--max-cost", "0"
    )
    refused(ended, 2, "--audience: account 'shop' has no audience 'nobody'")
    for words in (
        "--text: a campaign needs a text",
        "--sender: account 'shop' has no sender",
        "--at: say when",
    ):
        assert words in ended.err
    assert office("campaign", "list", "--json").json == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--spread", "3 hours"], "--spread '3 hours' is no length of time"),
        (["--validity", "1w"], "--validity '1w' is no length of time"),
        (["--at", "noon"], "--at 'noon' is no time"),
        (["--at", "+1h", "--now"], "--now and --at contradict each other"),
        (["--cron", "0 9 * * *", "--from", "monday"], "--from 'monday' is no day"),
        (["--per-second", "many"], "--per-second 'many' is no number"),
        (["--per-second", "1e12"], "--per-second: is at most 1,000,000"),
        (["--max-cost", "much"], "--max-cost 'much' is no number"),
        (["--hours", "all day"], "\"all\" has 'day', which is no span of time"),
        (["--timezone", "Mars/Base"], '"Mars/Base" is not a time zone'),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_would_do(
    office: Run, options: Sequence[str], words: str
) -> None:
    when = [] if {"--at", "--cron"} & set(options) else ["--now"]
    refused(
        office("campaign", "create", "x", "--audience", "customers", "--text", "Hello", *when, *options),
        2,
        words,
    )


def test_a_campaign_needs_recipients(office: Run) -> None:
    refused(
        office("campaign", "create", "x", "--text", "Hi", "--now"), 2, "Give --audience LIST, or --csv FILE"
    )


def test_a_file_becomes_the_audience_of_its_campaign(office: Run, tmp_path: Path) -> None:
    file = sheet(tmp_path, "phone;first", "0712345678;Ada", "twelve;Bob", "0712345679;Eve")
    made = office("campaign", "create", "summer", "--csv", file, "--text", "Hi {{first}}", "--now")
    assert made.out.startswith("campaign summer is draft: 2 recipients, once, ")
    assert made.err.startswith("audience summer: 3 lines, 1 left out, 2 recipients\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hi {{nick}}", "--text: names nick, which the audience has no column for"),  # seen after the import
        (" ", "--text: a campaign needs a text"),  # seen before it
    ],
)
def test_a_file_leaves_no_audience_behind_when_its_campaign_is_refused(
    office: Run, tmp_path: Path, text: str, words: str
) -> None:
    file = sheet(tmp_path, "to", NUMBERS[0])
    refused(office("campaign", "create", "x", "--csv", file, "--text", text, "--now"), 2, words)
    again = office("campaign", "create", "x", "--csv", file, "--text", "Hello", "--now")
    assert again.code == 0


def test_a_campaigns_import_is_that_of_audiences(office: Run, tmp_path: Path) -> None:
    file = sheet(tmp_path, "to,name", f"{NUMBERS[0]},Ada", "twelve,Bob")
    done = office("campaign", "import", file, "--name", "others", "--json").json
    assert (done["name"], done["recipients"], done["rejects"]) == ("others", 1, 1)
    again = office("campaign", "import", file, "--name", "others")
    refused(again, 1, "there is an audience 'others' already")
    refused(office("campaign", "import", "missing.csv", "--name", "x"), 1, "missing.csv: No such file")


def test_a_draft_is_changed_field_by_field(office: Run) -> None:
    create(office, "--at", "2027-12-01T10:00", "--spread", "3h", "--max-cost", "50")
    changed = office(
        "campaign", "change", "spring", "--cron", "0 9 * * MON", "--per-second", "5", "--max-cost", "none"
    )
    assert changed.out == "campaign spring is draft, 0 9 * * MON in UTC\n"
    found = shown(office)
    wanted = {"at": None, "cron": "0 9 * * MON", "spread_seconds": None, "per_second": 5.0, "max_cost": None}
    assert {key: found[key] for key in wanted} == wanted
    assert (found["text"], found["audience"], found["sender"]) == ("Hi {{name}}", "customers", "SHOP")
    refused(office("campaign", "change", "spring"), 2, "nothing to change")
    refused(office("campaign", "change", "spring", "--name", " "), 2, "--name: has 1 to 100")


def test_a_template_and_a_text_take_the_place_of_each_other(office: Run) -> None:
    made = office("template", "add", "shop", "hello", "Dear {{name}}", "--json").json["id"]
    create(office, "--now")
    office("campaign", "change", "spring", "--template", made)
    assert (shown(office)["text"], shown(office)["template_id"]) == ("Dear {{name}}", made)
    office("campaign", "change", "spring", "--text", "Bye")
    assert (shown(office)["text"], shown(office)["template_id"]) == ("Bye", None)


def test_a_campaign_is_named_by_its_name_or_its_id(office: Run) -> None:
    made = create(office, "--now")
    assert shown(office, made["id"]) == shown(office, "spring")
    refused(office("campaign", "show", "autumn"), 1, "account 'shop' has no campaign 'autumn'")


def test_the_list_has_a_line_for_each_campaign(office: Run) -> None:
    create(office, "--now")
    create(office, "--cron", "0 9 * * *", name="daily")
    header, first, second = office("campaign", "list").out.splitlines()
    assert header.split() == ["id", "name", "state", "recipients", "next", "due", "(UTC)", "when"]
    assert first.split()[1:5] == ["spring", "draft", "3", "-"]
    assert second.endswith("0 9 * * * in UTC")
    assert office("campaign", "list", "--limit", "1").err.startswith("There may be more: --after ")


def test_a_pause_keeps_its_reason_for_whoever_looks(office: Run) -> None:
    create(office, "--now", "--start")
    assert office("campaign", "pause", "spring", "--reason", "a wrong price in the text").code == 0
    assert office("campaign", "show", "spring").out.startswith("spring: paused, a wrong price in the text\n")


def test_a_campaign_is_started_paused_resumed_and_cancelled(office: Run) -> None:
    create(office, "--at", "2027-12-01T10:00")
    for command, state in (("start", "active"), ("pause", "paused"), ("resume", "active")):
        told = office("campaign", command, "spring")
        assert told.out == f"campaign spring is {state}, once, 2027-12-01 10:00:00 UTC\n"
    refused(office("campaign", "start", "spring"), 1, "campaign 'spring' is active, not draft")
    ended = office("campaign", "cancel", "spring")
    assert ended.out == "campaign spring is cancelled: 0 messages taken back, 0 are out or going out\n"
    refused(office("campaign", "resume", "spring"), 1, "campaign 'spring' is cancelled")


def test_what_was_taken_back_and_what_is_out_is_told(office: Run, world: World) -> None:
    create(office, "--now", "--spread", "1m", "--start")

    async def first_is_sent() -> None:
        world.time.at = datetime.now(UTC)
        await launch(world.ctx)
        await world.clock.release()
        await world.clock.fill()
        await world.deliver()

    world.run_without_account(first_is_sent)
    ended = office("campaign", "cancel", "spring", "--json").json
    assert (ended["state"], ended["withdrawn"], ended["out"]) == ("cancelled", 2, 1)


def test_a_run_is_shown_with_its_statuses_its_cost_and_its_end(office: Run, world: World) -> None:
    create(office, "--now", "--start")
    tick(world)
    [run] = shown(office)["runs"]
    wanted = {
        "state": "finished", "recipients": 3, "done": 3, "messages": 3, "left_out": 0,
        "statuses": {"12 Sent": 3}, "cost": 3, "released_at": None, "through_at": None,
    }  # fmt: skip
    assert {key: run[key] for key in wanted} == wanted
    told = office("campaign", "show", "spring").out
    assert "  messages  for 3 of 3 recipients; 3 credits\n          3  12 Sent\n" in told


def test_an_open_run_says_until_when_it_will_take_and_what_limits_it(office: Run, world: World) -> None:
    create(office, "--now", "--spread", "2h", "--start")
    world.run_without_account(lambda: launch(world.ctx))
    [run] = shown(office)["runs"]
    assert run["state"] == "expanding"
    assert run["through_at"] is None  # this command knows of no provider
    assert run["limit"] == "No provider is there to take it."
    told = office("campaign", "show", "spring").out
    assert "  through   nobody can tell. No provider is there to take it.\n" in told


def test_following_ends_with_the_run(office: Run, world: World) -> None:
    create(office, "--now", "--start")
    workers = threading.Timer(0.3, tick, [world])
    workers.start()
    ended = office("campaign", "show", "spring", "--follow")
    workers.join()
    assert ended.code == 0
    assert ended.err.splitlines()[-1] == "finished: 3 of 3 out or over"
    assert ended.out.startswith("spring: finished\n")


def test_following_what_was_cut_short_ends_with_1_and_a_draft_is_not_followed(office: Run) -> None:
    create(office, "--now")
    refused(
        office("campaign", "show", "spring", "--follow"), 1, "campaign 'spring' is a draft: start it first"
    )
    office("campaign", "cancel", "spring")
    assert office("campaign", "show", "spring", "--follow").code == 1
