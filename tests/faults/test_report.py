"""The report that is made of the results of runs."""

from pathlib import Path

import pytest

from faults.healing import Healing
from faults.report import BEGIN, END, write_report
from faults.result import RunReport, load_report


def _report(seed: int, *violations: tuple[str, str]) -> RunReport:
    return RunReport(
        seed=seed,
        seconds=600.0,
        weight=1.0,
        settled_in=12.0,
        written=100,
        accepted=99,
        statuses={"RECEIVED": 99},
        in_doubt=3,
        doubled_by_policy=2,
        callbacks=50,
        skipped=["small disk"],
        healings=[
            Healing("Valkey wiped", 1.0, 1.0, True, 2.5, 3.0, 4),
            Healing("Valkey wiped", 9.0, 9.0, True, None, 8.0, 4),
        ],
        violations=list(violations),
        versions={"dispatcher": "1"},
    )


def test_a_result_is_the_same_after_it_was_saved(tmp_path: Path) -> None:
    report = _report(7, ("lost", "lost: +254"))
    report.save(tmp_path / "7.json")
    assert load_report(tmp_path / "7.json") == report


def test_the_report_replaces_the_measured_part_alone(tmp_path: Path) -> None:
    page = tmp_path / "trust.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    write_report(page, [_report(7, ("lost", "lost: +254: expected a row\n history")), _report(8)])
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "| 7 | 10.0 | 2 | 100 | 99 | 50 | 3 | 2 | 12 s |" in text
    assert "| lost after an answer of success | 1 |" in text
    assert "- seed 7, lost: `lost: +254: expected a row`" in text
    assert "| Valkey wiped | 4 | start | 2.5 s | 2.5 s, 2 cut short by the next fault | 3.0 s |" in text


def test_a_page_without_a_measured_part_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "trust.md"
    page.write_text("nothing\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has no part between"):
        write_report(page, [_report(7)])
    assert page.read_text(encoding="utf-8") == "nothing\n"
