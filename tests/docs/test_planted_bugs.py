"""The table of planted bugs holds: each can be planted, its tests exist, and the page lists all."""

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from scripts.plant_bugs import PAGE, ROOT, Bug, TestRun, plant_all, read_bugs, render

BUGS = read_bugs()


@cache
def _tests_of(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return frozenset(node.name for node in tree.body if isinstance(node, functions))


def test_each_bug_can_be_planted() -> None:
    for bug in BUGS:
        source = (ROOT / bug.file).read_text(encoding="utf-8")
        planted = bug.planted_in(source)
        assert planted != source, bug.name
        ast.parse(planted)


def test_each_bug_has_tests_that_find_it() -> None:
    for bug in BUGS:
        assert bug.found_by, bug.name
        for test in bug.found_by:
            path, _, name = test.partition("::")
            assert name in _tests_of(path), f"{bug.name}: there is no {test}"


def test_no_two_bugs_have_one_name() -> None:
    assert [name for name, count in Counter(bug.name for bug in BUGS).items() if count > 1] == []


def test_the_page_lists_all_bugs() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(BUGS), "run `scripts/plant_bugs.py --write`"


def test_a_bug_is_found_only_if_its_tests_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # most take a second to import
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p xdist")
    (tmp_path / "rule.py").write_text("LIMIT = 3\nUNUSED = 4\n")
    (tmp_path / "test_rule.py").write_text("import rule\n\ndef test_limit():\n    assert rule.LIMIT == 3\n")
    tests = ("test_rule.py::test_limit",)
    one = Bug("part", "one", "It is found.", "rule.py", "LIMIT = 3", "LIMIT = 5", tests)
    other = Bug("part", "other", "Nobody looks.", "rule.py", "UNUSED = 4", "UNUSED = 5", tests)
    assert plant_all([one, other], tmp_path) == 1
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [
        ["passed", "1"],
        ["found", "one"],
        ["LIVED", "other"],
        ["1", "of"],
    ]
    assert (tmp_path / "rule.py").read_text() == "LIMIT = 3\nUNUSED = 4\n"


@pytest.mark.parametrize(("code", "verdict"), [(0, "LIVED"), (1, "found"), (2, "BROKEN"), (4, "BROKEN")])
def test_a_bug_with_which_no_test_can_run_is_not_found(code: int, verdict: str) -> None:
    assert TestRun(code, "").verdict == verdict


def test_an_edit_that_does_not_fit_is_refused() -> None:
    bug = Bug("part", "b", "It is twice there.", "rule.py", "x", "y", ())
    with pytest.raises(ValueError, match=r"rule\.py has its text 2 times"):
        bug.planted_in("x x")
