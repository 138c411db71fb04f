"""Each page on how to add something, followed to the letter in a copy of the tree."""

import re
from pathlib import Path

import pytest

from tests.docs.scratch import PAGES, ROOT, ScratchTree, changes, commands, page_text

FOLLOWED = (
    "testing",
    "adding-a-provider",
    "adding-a-dialect",
    "adding-a-use-case",
    "adding-a-migration",
    "adding-a-status",
    "adding-a-setting",
    "adding-a-command",
)

_PATH = re.compile(r"`((?:dispatcher|tests|workers|scripts|migrations|docs)/[a-z0-9_./-]+)`")

each = pytest.mark.parametrize("page", FOLLOWED)


@each
@pytest.mark.timeout(600)  # each command of a page starts servers of its own
def test_what_the_page_adds_passes_the_checks_and_tests_that_it_names(page: str, tmp_path: Path) -> None:
    tree = ScratchTree.at(tmp_path)
    tree.follow(page)
    for tool, arguments in [
        ("ruff", ["format", "--check", "--diff", *tree.python_files()]),
        ("ruff", ["check", *tree.python_files()]),
        *commands(page),
    ]:
        ended = tree.run(tool, *arguments)
        assert ended.returncode == 0, f"{tool} {' '.join(arguments)}\n{ended.stdout}\n{ended.stderr}"


@each
def test_the_page_changes_files_and_runs_tests(page: str) -> None:
    assert list(changes(page))
    assert any(tool == "pytest" for tool, _ in commands(page))


def test_every_page_on_adding_is_followed() -> None:
    pages = {path.stem for path in PAGES.glob("adding-*.md")}
    assert pages == set(FOLLOWED) - {"testing"}


@each
def test_no_page_is_long(page: str) -> None:
    assert len(page_text(page).splitlines()) <= 260


def test_every_file_that_a_page_names_exists_or_is_made_by_it() -> None:
    missing = [
        f"{page.name}: {path}"
        for page in PAGES.glob("*.md")
        for path in _PATH.findall(page.read_text(encoding="utf-8"))
        if not (ROOT / path).exists() and path not in {change.path for change in changes(page.stem)}
    ]
    assert missing == []
