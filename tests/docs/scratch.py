"""A page's steps, applied to a copy of the tree and checked there, as its reader would do it."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "development"

_COPIED = ("dispatcher", "workers", "migrations", "tests", "docs")
_LINKED = (
    "bench",
    "faults",
    "scripts",
    "LICENSE",
    "README.md",
    "CHANGELOG.md",
    "Makefile",
    "docker-compose.yml",
)
_FILES = ("pyproject.toml", ".env.example")
_DEADLINE = 300

_FIRST_FREE = 20  # the number of the pages' migrations, which stands for the next free one

_FILE = re.compile(r"`([\w./-]+)`:\n\n(`{3,})(\w+)\n(.*?)^\2$", re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"^\$ \.venv/bin/(pytest) (-n0 -q .*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Change:
    """A new file, or with `old` a text that replaces one that stands exactly once in a file."""

    path: str
    new: str
    old: str | None = None


@dataclass(slots=True)
class ScratchTree:
    """A copy of this repository without its history."""

    root: Path
    changed: list[str] = field(default_factory=list)

    @classmethod
    def at(cls, root: Path) -> "ScratchTree":
        for name in _COPIED:
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in _FILES:
            shutil.copy(ROOT / name, root / name)
        for name in _LINKED:
            (root / name).symlink_to(ROOT / name)
        return cls(root)

    def follow(self, page: str) -> None:
        """Make each change that the page shows, in its order."""
        for change in changes(page):
            self.apply(_renumbered(change))

    def apply(self, change: Change) -> None:
        path = self.root / change.path
        if change.old is None:
            assert not path.exists(), f"the page makes {change.path} anew, and it exists"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(change.new, encoding="utf-8")
        else:
            text = path.read_text(encoding="utf-8")
            found = f"\n{text}".count(f"\n{change.old}")
            assert found == 1, f"{change.path} has {found} times what the page changes:\n{change.old}"
            path.write_text(f"\n{text}".replace(f"\n{change.old}", f"\n{change.new}")[1:], encoding="utf-8")
        self.changed.append(change.path)

    def run(self, tool: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a tool of the environment in this tree, on this tree's code."""
        environment = {**os.environ, "PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [sys.executable, "-m", tool, *arguments],
            cwd=self.root,
            env={name: value for name, value in environment.items() if not name.startswith("PYTEST_")},
            capture_output=True,
            text=True,
            timeout=_DEADLINE,
        )

    def python_files(self) -> Sequence[str]:
        return sorted({path for path in self.changed if path.endswith(".py")})


def changes(page: str) -> Iterator[Change]:
    """Read the changes of a page: a file's name, a colon, and a block with its text or with changes of it."""
    for path, _, language, text in _FILE.findall(page_text(page)):
        if language == "diff":
            yield from (_hunk(path, hunk.splitlines()) for hunk in text.split("@@\n"))
        else:
            yield Change(path, text)


def _hunk(path: str, lines: Sequence[str]) -> Change:
    old, new = ("".join(f"{line[1:]}\n" for line in lines if line[:1] in marks) for marks in (" -", " +"))
    return Change(path, new, old)


def commands(page: str) -> Sequence[tuple[str, Sequence[str]]]:
    """Read the commands that the page has its reader run."""
    return [(tool, shlex.split(arguments)) for tool, arguments in _COMMAND.findall(page_text(page))]


def page_text(page: str) -> str:
    return (PAGES / f"{page}.md").read_text(encoding="utf-8")


def _renumbered(change: Change) -> Change:
    """Give a page's migration the next free number."""
    newest = max(int(path.name[:4]) for path in (ROOT / "migrations" / "versions").glob("[0-9]*.py"))
    path, text = change.path, change.new
    for number in (_FIRST_FREE, _FIRST_FREE - 1):  # the higher one first: it may become the lower one
        moved = number + newest + 1 - _FIRST_FREE
        path, text = path.replace(f"{number:04}", f"{moved:04}"), text.replace(f"{number:04}", f"{moved:04}")
    return replace(change, path=path, new=text)
