"""A campaign whose processes are killed with -9 eight times: each recipient gets one message."""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from dispatcher.domain.accounts.account import Account
from dispatcher.domain.campaigns.campaign import CampaignPlan
from dispatcher.service.campaigns import campaigns, drafts
from dispatcher.service.context import Context
from tests.system.stack import Stack, running_stack, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

RECIPIENTS = 2000
KILLS = 8
VICTIMS = ["bulk", "clock", "system", "beat", "valkey", "postgres"]
LATENCY, FLUSH = 0.05, 0.02
TPS = 100
SETTINGS = {
    "DISPATCHER_LEASE": "10",
    "DISPATCHER_BACKOFF_BASE": "0.5",
    "DISPATCHER_BACKOFF_CAP": "2",
    "DISPATCHER_RECEIPT_TIMEOUT": "30",
    "DISPATCHER_CAMPAIGN_AHEAD": "1000",  # it is expanded while it is sent
}


def test_each_recipient_of_a_campaign_gets_one_message_despite_kills(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    with running_stack(tmp_path, tps=TPS, settings=SETTINGS) as stack:
        _import(stack, tmp_path / "all.csv")
        stack.call(_start)
        until(lambda: stack.rows("SELECT 1 FROM runs") != [], seconds=30, what="the run is created")
        victims = _kill_at_random(stack, random.Random(seed))
        _all_end(stack)
        print(f"seed {seed}, killed {dict(victims)}, {_check_counts(stack, victims)}")


def _import(stack: Stack, path: Path) -> None:
    """Import the audience in a process that is killed halfway, then again."""
    with path.open("w", encoding="utf-8") as file:
        file.write("to,name\n")
        file.writelines(f"+2547{n:08},Name{n}\n" for n in range(RECIPIENTS))
    command = [sys.executable, "-m", "dispatcher.cli", "audience", "import", str(path)]
    command += ["--account", "demo", "--name", "all"]
    environment = {**os.environ, **stack.environment}
    first = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: stack.rows("SELECT 1 FROM audiences") != [], seconds=30, what="the import has begun")
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)
    assert stack.rows("SELECT state, recipients FROM audiences") == [("ready", RECIPIENTS)]


async def _start(ctx: Context, account: Account) -> None:
    plan = CampaignPlan(
        name="c", audience_id="all", text="Hello {{name}}", at=ctx.now() + timedelta(seconds=3)
    )
    created = await drafts.create(ctx, account, plan)
    await campaigns.start(ctx, account, str(created.public_id))


def _kill_at_random(stack: Stack, rng: random.Random) -> "Counter[str]":
    """Kill eight times while the run is expanded, released and sent; the supervisor restarts each victim."""
    victims: Counter[str] = Counter()
    for _ in range(KILLS):
        Event().wait(rng.uniform(0, 1))
        victim = rng.choice(VICTIMS)
        stack.kill(victim)
        victims[victim] += 1
    return victims


def _all_end(stack: Stack) -> None:
    def open_() -> list[object]:
        return stack.rows(
            "SELECT id::text FROM messages WHERE status IN (10, 11) OR (status = 12 AND wake_at IS NOT NULL)"
            " UNION ALL SELECT state FROM runs WHERE state <> 'finished' LIMIT 5"
        )

    until(lambda: not open_(), seconds=180, what="the campaign is through")


def _check_counts(stack: Stack, victims: "Counter[str]") -> str:
    assert stack.rows("SELECT total, messages, left_out, charged FROM runs") == [
        (RECIPIENTS, RECIPIENTS, 0, RECIPIENTS)
    ]
    assert stack.rows("SELECT count(*), count(DISTINCT number) FROM messages") == [(RECIPIENTS, RECIPIENTS)]
    seen = stack.submits()
    doubtful = {str(row[0]) for row in stack.rows("SELECT public_id FROM messages WHERE doubts > 0")}
    ends = Counter(row[0] for row in stack.rows("SELECT status FROM messages"))
    sent_twice = [reference for reference, times in seen.items() if len(times) > 1]
    assert sent_twice == []  # bulk is never sent again in doubt
    known = {str(row[0]) for row in stack.rows("SELECT public_id FROM messages")}
    assert known - seen.keys() <= doubtful, "ended without being sent or in doubt"
    assert set(ends) <= {12, 13, 39}
    bound = (victims["bulk"] + victims["postgres"]) * _in_flight(seen)
    assert len(doubtful) <= bound, "more in doubt than can have been in flight"
    assert stack.rows("SELECT -sum(amount) FROM ledger WHERE kind <> 'topup'") == [(RECIPIENTS,)]
    return f"ends {dict(ends)}, in doubt {len(doubtful)} of at most {bound:.0f}"


def _in_flight(seen: dict[str, list[float]]) -> float:
    """Rate × (provider latency + flush age) × 1.5."""
    seconds = Counter(int(at) for times in seen.values() for at in times)
    return max(seconds.values()) * (LATENCY + FLUSH) * 1.5
