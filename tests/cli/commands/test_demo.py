"""The demo: it runs from start to end, and its exit code is reliable."""

import subprocess
import sys

import pytest

from dispatcher.cli.commands.demo.groups import GROUPS
from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_demo_succeeds_and_prints_its_delays() -> None:
    command = [sys.executable, "-m", "dispatcher.cli", "demo"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Each message ended as it should." in done.stdout
    assert "at a set time: released" in done.stdout


def test_the_demo_has_about_300_messages_of_all_tiers_and_ends() -> None:
    assert {group.tier for group in GROUPS} == set(Tier)
    assert 280 <= sum(group.size for group in GROUPS) <= 320
    assert {group.end for group in GROUPS} >= {Status.RECEIVED, Status.SENT, Status.EXPIRED, Status.GAVE_UP}
