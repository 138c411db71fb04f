"""One word for one thing: no two public classes share a name, and no folder is a heap."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("dispatcher", "workers")

# A name with several homes, and why that is right.
SHARED = {
    "Form": "each dialect reads the fields of its own requests",
}

MOST_SHARED = 15
MOST_FILES = 15
MOST_LINES = 300


def _classes() -> dict[str, list[str]]:
    homes: dict[str, list[str]] = defaultdict(list)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    homes[node.name].append(str(path.relative_to(ROOT)))
    return homes


def test_no_two_public_classes_share_a_name() -> None:
    shared = {name: homes for name, homes in _classes().items() if len(homes) > 1}
    assert {name: homes for name, homes in shared.items() if name not in SHARED} == {}


def test_each_exception_is_still_needed_and_they_are_few() -> None:
    homes = _classes()
    assert [name for name in SHARED if len(homes[name]) < 2] == []
    assert len(SHARED) <= MOST_SHARED


def test_no_folder_has_more_files_side_by_side_than_one_takes_in_at_a_glance() -> None:
    folders = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    files = {
        str(folder.relative_to(ROOT)): sum(path.name != "__init__.py" for path in folder.glob("*.py"))
        for folder in folders
    }
    assert {folder: count for folder, count in files.items() if count > MOST_FILES} == {}


def test_no_module_is_named_for_nothing() -> None:
    empty_words = {"utils", "common", "helpers", "models", "misc"}
    modules = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert [str(path) for path in modules if path.stem in empty_words] == []


def test_no_module_is_longer_than_one_reads_at_once() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if (lines := path.read_text(encoding="utf-8").count("\n")) > MOST_LINES
    }
    assert long == {}
