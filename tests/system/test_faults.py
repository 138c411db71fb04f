"""The short form of `make faults`: every fault that takes no time is struck, and no promise is broken."""

import asyncio
import os
from pathlib import Path

import pytest

from faults.catalogue.schedule import plan_short
from faults.report import summary
from faults.result import judge
from faults.run import run, short_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SEED = int(os.environ.get("FAULTS_SEED", "7"))


def test_no_promise_is_broken_whatever_is_killed_reset_or_wiped(tmp_path: Path) -> None:
    plan = short_run(SEED)
    report = judge(plan, asyncio.run(run(tmp_path, plan, announce=print)))
    print(summary(report))
    assert [text for _, text in report.violations] == []
    assert report.accepted > 0.9 * report.written  # a window may be over before its request gets through
    assert len(report.healings) == len(plan_short(SEED))
