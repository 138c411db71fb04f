import asyncio
import json
import re
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from dispatcher.domain.campaigns.campaign import CampaignState, RunState
from dispatcher.domain.errors import (
    Conflict,
    Invalid,
    InvalidFields,
    InvalidPlan,
    InvalidSubmission,
    Misconfigured,
    NotEnoughCredit,
    NotFound,
    Unavailable,
)
from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier
from dispatcher.producer import Dispatcher
from dispatcher.settings import Settings
from tests.campaign import run_what_is_due
from tests.world import NUMBER, World
from tests.written_numbers import WRITTEN

pytestmark = pytest.mark.usefixtures("shop")

DOCUMENT = Path(__file__).parents[2] / "docs" / "producer.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)


def run_script(script: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_sent_message_is_committed_and_can_be_read(sms: Dispatcher) -> None:
    batch = sms.send([NUMBER, "0712345678"], "Hello", tier=Tier.BULK)
    assert batch.tier is Tier.BULK
    assert [message.number_as_given for message in batch.messages] == [NUMBER, "0712345678"]
    assert [sms.status(message.id) for message in batch.messages] == [Status.PENDING, Status.PENDING]


def test_a_window_is_stored_as_given(sms: Dispatcher) -> None:
    start = datetime.now(UTC) + timedelta(hours=1)
    batch = sms.send(NUMBER, "Hello", not_before=start, not_after=start + timedelta(minutes=5))
    assert (batch.window.not_before, batch.window.not_after) == (start, start + timedelta(minutes=5))
    assert batch.messages[0].status is Status.SCHEDULED


@pytest.mark.parametrize("name", ["not_before", "not_after"])
def test_a_time_without_a_zone_is_refused(sms: Dispatcher, name: str) -> None:
    naive = datetime(2030, 1, 1, 12)  # noqa: DTZ001
    with pytest.raises(Invalid, match=f"{name} needs a time zone, got 2030-01-01 12:00:00 without one"):
        sms.send(NUMBER, "Hello", **{name: naive})  # type: ignore[arg-type]


def test_an_unknown_tier_is_refused_with_the_choices(sms: Dispatcher) -> None:
    with pytest.raises(Invalid, match="'urgent' is not a tier: give one of critical, standard, bulk"):
        sms.send(NUMBER, "Hello", tier="urgent")


def test_all_faults_of_a_call_are_reported_together(sms: Dispatcher) -> None:
    with pytest.raises(InvalidSubmission) as raised:
        sms.send(["nonsense", NUMBER], "", sender=99)
    assert [fault.field for fault in raised.value.faults] == ["recipients", "text", "sender_id"]


def test_a_sender_is_given_by_name_or_number(sms: Dispatcher) -> None:
    sms.send(NUMBER, "Hello", sender="SHOP")
    sms.send(NUMBER, "Hello", sender=1)
    with pytest.raises(InvalidSubmission, match="not a sender of this account: NOBODY"):
        sms.send(NUMBER, "Hello", sender="NOBODY")


def test_more_than_the_balance_is_refused_and_no_row_is_written(sms: Dispatcher) -> None:
    with pytest.raises(NotEnoughCredit):
        sms.send([NUMBER] * 10_000, "x" * 200)
    with pytest.raises(NotFound):
        sms.status(1)


def test_a_cancelled_message_has_a_status_and_stays_cancelled(sms: Dispatcher) -> None:
    batch = sms.send(NUMBER, "Hello", not_before=datetime.now(UTC) + timedelta(hours=1))
    assert sms.cancel(batch.messages[0].id)
    assert sms.status(batch.messages[0].id) is Status.WITHDRAWN
    assert sms.cancel(batch.messages[0].id)
    assert sms.balance() == 10_000


def test_ids_of_another_dialect_are_not_found(sms: Dispatcher, shop: World) -> None:
    async def story() -> int:
        return (await shop.submit(NUMBER, caller=await shop.another_account("other"))).messages[0].id

    async def main() -> int:
        async with shop.open():
            return await story()

    foreign = asyncio.run(main())
    with pytest.raises(NotFound):
        sms.status(foreign)
    with pytest.raises(NotFound):
        sms.cancel(foreign)


def test_all_threads_share_one_dispatcher(sms: Dispatcher) -> None:
    ids: list[int] = []
    threads = [
        threading.Thread(target=lambda: ids.append(sms.send(NUMBER, "Hello").messages[0].id))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ids) == list(range(1, 9))
    assert [t.name for t in threading.enumerate()].count("sms-dispatcher") == 1


def test_a_closed_dispatcher_refuses_calls_and_can_be_closed_twice(sms: Dispatcher) -> None:
    sms.send(NUMBER, "Hello")
    sms.close()
    sms.close()
    with pytest.raises(RuntimeError, match="closed"):
        sms.send(NUMBER, "Hello")
    assert "sms-dispatcher" not in {thread.name for thread in threading.enumerate()}


def test_an_unknown_account_is_reported_at_the_first_call() -> None:
    with Dispatcher.from_env(account="nobody") as sms, pytest.raises(NotFound, match="no account 'nobody'"):
        sms.send(NUMBER, "Hello")


def test_a_call_without_postgres_raises_unavailable_and_the_next_one_tries_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    with Dispatcher.from_env(account="shop") as sms:
        for _ in range(2):
            with pytest.raises(Unavailable):
                sms.send(NUMBER, "Hello")


def test_without_a_database_url_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    with pytest.raises(Misconfigured, match="DATABASE_URL"):
        Dispatcher.from_env(account="shop")


def test_without_providers_it_refuses_because_nothing_would_have_a_route(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DISPATCHER_PROVIDERS")
    with pytest.raises(Misconfigured, match="DISPATCHER_PROVIDERS is empty"):
        Dispatcher.from_env(account="shop")


ROWS = [{"to": NUMBER, "name": "Ada"}, {"to": "0712345679", "name": "Bob"}, {"to": "twelve", "name": "Eve"}]


def test_a_campaign_of_rows_sends_each_recipient_their_own_text(sms: Dispatcher, shop: World) -> None:
    campaign = sms.campaign("spring", audience=iter(ROWS), text="Hi {{name}}")
    assert campaign.progress().campaign is CampaignState.DRAFT
    campaign.start()
    run_what_is_due(shop)
    assert {out.to: out.text for out in shop.sim.seen} == {NUMBER: "Hi Ada", "+254712345679": "Hi Bob"}
    found = campaign.progress()
    assert (found.campaign, found.run) == (CampaignState.FINISHED, RunState.FINISHED)
    assert (found.recipients, found.done, found.cost) == (2, 2, 2)
    assert found.statuses == {Status.SENT: 2}


def test_an_audience_can_be_used_again(sms: Dispatcher, shop: World) -> None:
    sms.campaign("spring", audience=ROWS, text="Hello")
    sms.campaign("summer", audience="spring", text="Hello again").start()
    run_what_is_due(shop)
    assert [out.text for out in shop.sim.seen] == ["Hello again"] * 2


def test_the_text_of_a_campaign_is_changed(sms: Dispatcher, shop: World) -> None:
    campaign = sms.campaign("spring", audience=ROWS, text="Hi {{name}}")
    campaign.start()
    assert campaign.change_text("Dear {{name}}").to_come == 2
    with pytest.raises(InvalidFields, match="names nick"):
        campaign.change_text("Dear {{nick}}")


def test_waiting_for_a_campaign_ends_with_its_run(sms: Dispatcher, shop: World) -> None:
    campaign = sms.campaign("spring", audience=ROWS, text="Hello")
    campaign.start()
    workers = threading.Timer(0.3, run_what_is_due, [shop])
    workers.start()
    assert campaign.wait(timedelta(seconds=30)).run is RunState.FINISHED
    workers.join()


def test_waiting_for_a_campaign_ends_at_its_time_limit(sms: Dispatcher) -> None:
    campaign = sms.campaign("spring", audience=ROWS, text="Hello", at=datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(Conflict, match="is a draft: start it first"):
        campaign.wait(timedelta(seconds=30))
    campaign.start()
    with pytest.raises(TimeoutError):
        campaign.wait(timedelta(milliseconds=10))


def test_a_campaign_is_paused_resumed_and_cancelled(sms: Dispatcher, shop: World) -> None:
    campaign = sms.campaign("spring", audience=ROWS, text="Hello", spread=timedelta(minutes=1))
    campaign.start()
    run_what_is_due(shop)
    campaign.pause()
    assert campaign.progress().campaign is CampaignState.PAUSED
    campaign.resume()
    assert campaign.cancel() == 1
    assert campaign.progress().statuses == {Status.SENT: 1, Status.WITHDRAWN: 1}


@pytest.mark.parametrize(
    ("rows", "more", "error", "words"),
    [
        (ROWS, {"text": "Hi {{nick}}"}, InvalidPlan, "names nick, which the audience has no column for"),
        (ROWS, {"text": " ", "max_cost": 0}, InvalidPlan, "text: a campaign needs a text"),
        (
            [{"to": NUMBER}, {"to": NUMBER, "name": "Bob"}],
            {},
            Invalid,
            "row 2 has to, name, and the first has to",
        ),
        ([{"phone": NUMBER}], {}, Invalid, "no column"),
        ([], {}, Invalid, "empty"),
    ],
)
def test_a_campaign_that_is_refused_leaves_no_audience_behind(
    sms: Dispatcher, rows: list[dict[str, str]], more: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        sms.campaign("spring", audience=rows, **{"text": "Hello", **more})
    sms.campaign("spring", audience=ROWS, text="Hello")


def test_rows_are_read_lazily(sms: Dispatcher) -> None:
    rows = ({"to": f"+2547{place:08}", "note": "x" * 50} for place in range(5_000))
    campaign = sms.campaign("many", audience=rows, text="{{note}}")
    campaign.start()
    assert campaign.progress().campaign is CampaignState.ACTIVE


_CHILD = """
read, write = os.pipe()
pid = os.fork()
if pid == 0:
    os.write(write, str(sms.send("+254712345678", "child").id).encode())
    sms.close()
    os._exit(0)
"""

_FORK = """
import json, os
from dispatcher import Dispatcher
sms = Dispatcher.from_env(account="shop")
{before}
{child}os.waitpid(pid, 0)
child = int(os.read(read, 100))
parent = sms.send("+254712345678", "parent").id
sms.close()
print(json.dumps([child, parent]))
"""


@pytest.mark.parametrize("before", ["", "sms.send('+254712345678', 'before')"])
def test_a_dispatcher_survives_a_fork_before_and_after_its_first_call(before: str) -> None:
    done = run_script(_FORK.format(before=before, child=_CHILD))
    assert done.returncode == 0, done.stderr
    first = 2 if before else 1
    assert json.loads(done.stdout) == [first, first + 1]
    assert done.stderr == ""


_FORK_IN_AN_IMPORT = """
import importlib.abc, json, os, sys, threading, time
from dispatcher import Dispatcher

importing = threading.Event()

class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "kombu.transport.redis":
            importing.set()
            time.sleep(0.5)

sys.meta_path.insert(0, Slow())
sms = Dispatcher.from_env(account="shop")
ids = []
other = threading.Thread(target=lambda: ids.append(sms.send("+254712345678", "parent").id))
other.start()
assert importing.wait(30)
{child}os.waitpid(pid, 0)
other.join()
sms.close()
print(json.dumps(sorted([int(os.read(read, 100)), *ids])))
"""


def test_a_fork_during_an_import_leaves_child_and_parent_able_to_publish(redis_url: str) -> None:
    done = run_script(_FORK_IN_AN_IMPORT.format(child=_CHILD))
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [1, 2]
    with Redis.from_url(redis_url) as redis:
        assert redis.llen("standard") == 2


def test_a_producer_whose_loop_died_starts_another_and_logs_it(sms: Dispatcher, redis_url: str) -> None:
    sms.send(NUMBER, "Hello")
    thread = sms._thread
    assert thread is not None

    def die() -> None:
        raise SystemExit("a bug")

    thread._loop.call_soon_threadsafe(die)
    thread._thread.join()
    assert sms.send(NUMBER, "Hello").messages[0].id == 2
    with Redis.from_url(redis_url) as redis:
        end = time.monotonic() + 10
        while not redis.hgetall("sms:failure:producer/loop"):
            assert time.monotonic() < end


def test_a_call_that_is_cut_off_by_the_end_of_the_loop_raises_unavailable(sms: Dispatcher) -> None:
    sms.send(NUMBER, "Hello")
    thread = sms._thread
    assert thread is not None

    async def die() -> None:
        asyncio.get_running_loop().stop()
        await asyncio.Event().wait()

    with pytest.raises(Unavailable, match="whether it was committed is not known"):
        thread.run(die())
    thread._thread.join()
    with pytest.raises(Unavailable):
        thread.run(asyncio.sleep(0))


def test_a_process_that_ends_without_closing_prints_nothing() -> None:
    done = run_script(
        "from dispatcher import Dispatcher\n"
        "print(Dispatcher.from_env(account='shop').send('+254712345678', 'Hello').id)"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_importing_the_package_loads_few_modules_and_configures_no_logging() -> None:
    done = run_script(
        "import sys, logging, dispatcher.domain.messages.status\n"
        "print(sorted({'sqlalchemy', 'celery', 'fastapi', 'structlog'} & set(sys.modules)))\n"
        "from dispatcher import Dispatcher\n"
        "import structlog\n"
        "print(logging.getLogger().handlers, structlog.is_configured())"
    )
    assert done.stdout.splitlines() == ["[]", "[] False"], done.stderr


def test_the_package_exports_nothing_else() -> None:
    import dispatcher

    assert dispatcher.__all__ == ["Dispatcher"]
    with pytest.raises(AttributeError, match="no attribute 'Despatcher'"):
        dispatcher.Despatcher  # noqa: B018


def test_the_first_example_of_the_document_runs(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(EXAMPLES[0], str(DOCUMENT), "exec"), {})
    assert capsys.readouterr().out == "1 PENDING\n"


def test_the_second_example_of_the_document_runs() -> None:
    names: dict[str, object] = {}
    exec(compile(EXAMPLES[1], str(DOCUMENT), "exec"), names)
    invite, sms = names["invite"], names["sms"]
    assert callable(invite)
    assert isinstance(sms, Dispatcher)
    with sms:
        assert invite([NUMBER, "+254722000000"], "Come") == 1
    assert len(EXAMPLES) == 5  # tests/producer/test_document.py runs the others


def test_a_number_is_read_as_in_every_way_in(sms: Dispatcher, shop: World) -> None:
    for row in WRITTEN:
        if row.country != "KE":
            continue
        if row.number is None:
            with pytest.raises(InvalidSubmission) as caught:
                sms.send(row.text, "Hello")
            assert row.text in str(caught.value)
        else:
            assert sms.send(row.text, "Hello").messages[0].number == row.number
