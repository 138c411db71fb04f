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
_LINKED = ("bench", "scripts", "LICENSE", "README.md", "CHANGELOG.md", "Makefile", "docker-compose.yml")
_FILES = ("pyproject.toml", ".env.example")
_DEADLINE = 110

_FIRST_FREE = 12  # the number of the pages' migrations, which stands for the next free one

_FILE = re.compile(
    r"`([\w./-]+)`(?:, (below|instead of) `([^`\n]+)`)?:\n\n```\w*\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
_COMMAND = re.compile(r"^\$ \.venv/bin/(\w+) (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Change:
    """A new file, or lines below or instead of the one line of a file that starts like `line`."""

    path: str
    line: str | None
    text: str
    replaces: bool = False


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
        if change.line is None:
            assert not path.exists(), f"the page makes {change.path} anew, and it exists"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(change.text, encoding="utf-8")
        else:
            path.write_text(_inserted(path.read_text(encoding="utf-8"), change), encoding="utf-8")
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
    """Read the changes of a page: a file's name, perhaps a line of it, a colon, and a block of code."""
    for path, how, line, text in _FILE.findall(page_text(page)):
        yield Change(path, line or None, text, replaces=how == "instead of")


def commands(page: str) -> Sequence[tuple[str, Sequence[str]]]:
    """Read the commands that the page has its reader run."""
    return [(tool, shlex.split(arguments)) for tool, arguments in _COMMAND.findall(page_text(page))]


def page_text(page: str) -> str:
    return (PAGES / f"{page}.md").read_text(encoding="utf-8")


def _renumbered(change: Change) -> Change:
    """Give a page's migration the next free number."""
    newest = max(int(path.name[:4]) for path in (ROOT / "migrations" / "versions").glob("[0-9]*.py"))
    path, text = change.path, change.text
    for number in (_FIRST_FREE, _FIRST_FREE - 1):  # the higher one first: it may become the lower one
        moved = number + newest + 1 - _FIRST_FREE
        path, text = path.replace(f"{number:04}", f"{moved:04}"), text.replace(f"{number:04}", f"{moved:04}")
    return replace(change, path=path, text=text)


def _inserted(text: str, change: Change) -> str:
    lines = text.splitlines(keepends=True)
    assert change.line is not None
    found = [n for n, line in enumerate(lines) if line.strip().startswith(change.line)]
    assert len(found) == 1, f"{change.path} has {len(found)} lines that start with {change.line!r}"
    kept = found[0] if change.replaces else found[0] + 1
    return "".join([*lines[:kept], change.text, *lines[found[0] + 1 :]])
