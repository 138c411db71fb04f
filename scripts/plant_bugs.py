"""
Checks that the tests find bugs: plants each bug of `planted_bugs.toml` in a copy of the tree and runs tests.

A rule that no test guards can be deleted without a word. So each rule that
must never break is broken here on purpose, with one edit, and the tests must
fail. Without a planted bug the same tests must pass. By default only the tests
run that are named with the bug, which takes seconds; `--all` runs what
`make test` runs, up to the first failure.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import cache_from_source
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = Path(__file__).with_name("planted_bugs.toml")
PAGE = ROOT / "docs" / "development" / "planted-bugs.md"

_PACKAGES = ("dispatcher", "workers", "tests")
_ALONE = ("-n0",)  # a process each would start servers each
_WHOLE_SUITE = ("-m", "not slow")
_DEADLINE = 3600  # seconds; each test has its own deadline, so this is for what hangs outside of tests
_PASSED, _FAILED = 0, 1  # pytest's exit codes; any other one means that it could not run the tests

_HEAD = """\
# Planted bugs

Each row is a rule that must never break. `scripts/plant_bugs.py` breaks it with one edit in a copy of the
tree, and sees that the named tests fail ([testing](testing.md#planted-bugs)). `scripts/plant_bugs.py --write`
makes this page from `scripts/planted_bugs.toml`.
"""
_COLUMNS = """
| bug | what would happen | in | found by |
|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Bug:
    """An edit of one file, `old` to `new`, that breaks a rule of a part, and the tests that find it."""

    part: str
    name: str
    breaks: str
    file: str
    old: str
    new: str
    found_by: tuple[str, ...]

    def planted_in(self, source: str) -> str:
        """Return the text of the file with the bug. Raises ValueError unless `old` is there exactly once."""
        if (count := source.count(self.old)) != 1:
            raise ValueError(f"{self.name}: {self.file} has its text {count} times, not once: {self.old!r}")
        return source.replace(self.old, self.new)


@dataclass(frozen=True, slots=True)
class TestRun:
    """How pytest ended, and its output."""

    __test__ = False  # no test of pytest's

    code: int
    output: str

    @property
    def verdict(self) -> str:
        """Whether the tests found the bug: "found", "LIVED", or "BROKEN" if they could not be run."""
        return {_PASSED: "LIVED", _FAILED: "found"}.get(self.code, "BROKEN")

    @property
    def first_failure(self) -> str:
        """The first test that failed, "" if none is named."""
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", self.output, re.MULTILINE)
        return failed[1] if failed else ""


def main() -> int:
    """Plant bugs and print which were found; return 1 if one was not."""
    arguments = _arguments()
    bugs = read_bugs()
    if arguments.write:
        PAGE.write_text(render(bugs), encoding="utf-8")
        return 0
    if arguments.list:
        print("\n".join(f"{bug.part:<14}{bug.name:<40}{bug.breaks}" for bug in bugs))
        return 0
    if unknown := set(arguments.only) - {name for bug in bugs for name in (bug.name, bug.part)}:
        print(f"there is no bug or part {', '.join(sorted(unknown))}; --list prints all", file=sys.stderr)
        return 2
    chosen = [bug for bug in bugs if not arguments.only or {bug.name, bug.part} & set(arguments.only)]
    with tempfile.TemporaryDirectory() as scratch:
        tree = _copy_tree(Path(scratch) / "tree")
        _check_imports(tree)
        return plant_all(chosen, tree, whole_suite=arguments.all)


def read_bugs() -> list[Bug]:
    """Return the table of bugs, in its order."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return [
        Bug(**{**row, "part": part, "found_by": tuple(row["found_by"])})
        for part, rows in table.items()
        for row in rows
    ]


def render(bugs: Sequence[Bug]) -> str:
    """Return the page of the documentation, with a table for each part."""
    blocks = [_HEAD]
    for part, its in groupby(bugs, key=lambda bug: bug.part):
        blocks += [f"\n## {part.capitalize()}\n", _COLUMNS, *map(_row, its)]
    return "".join(blocks)


def _row(bug: Bug) -> str:
    tests = ", ".join(map(_link, bug.found_by))
    return f"| `{bug.name}` | {bug.breaks} | {_link(bug.file)} | {tests} |\n"


def _link(target: str) -> str:
    path, _, test = target.partition("::")
    return f"[{test or Path(path).name}](../../{path})"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Plant bugs in a copy of the tree, and see the tests fail.")
    parser.add_argument(
        "--only", metavar="NAME", nargs="+", default=[], help="plant only these bugs, or those of these parts"
    )
    parser.add_argument("--all", action="store_true", help="run all tests of `make test`, not the named ones")
    parser.add_argument("--list", action="store_true", help="print the bugs, and plant none")
    parser.add_argument(
        "--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}, and plant none"
    )
    return parser.parse_args()


def _copy_tree(tree: Path) -> Path:
    """Copy what Git has or would add, so neither data nor caches."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    return tree


def _check_imports(tree: Path) -> None:
    """Raise RuntimeError unless the copy is what a test imports: the packages are installed from ROOT."""
    program = (
        f"import {', '.join(_PACKAGES)}; print(*[m.__file__ for m in ({', '.join(_PACKAGES)})], sep='\\n')"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, cwd=tree, env=_environment(tree), check=True, capture_output=True, text=True
    )
    strangers = [path for path in done.stdout.splitlines() if not Path(path).is_relative_to(tree)]
    if strangers:
        raise RuntimeError(f"the tests of the copy would import {', '.join(strangers)}")


def _environment(tree: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(tree), "NO_COLOR": "1", "COLUMNS": "300"}


def plant_all(bugs: Sequence[Bug], tree: Path, *, whole_suite: bool = False) -> int:
    """Plant each bug by itself in a copy of the tree, print its verdict, and return 1 if one lived."""
    named = sorted({test for bug in bugs for test in bug.found_by})
    clean = _run(tree, named, whole_suite=whole_suite)
    if clean.code != _PASSED:
        print(f"FAILED  with nothing planted:\n{clean.output}")
        return 1
    print(f"passed  {'all' if whole_suite else len(named)} tests with nothing planted", flush=True)
    lived = 0
    for bug in bugs:
        with _planted(bug, tree):
            run = _run(tree, bug.found_by, whole_suite=whole_suite)
        lived += run.verdict != "found"
        print(f"{run.verdict:<8}{bug.name:<40}{run.first_failure}", flush=True)
        if run.verdict == "BROKEN":
            print(f"pytest ended with {run.code}:\n{run.output}")
    print(f"{len(bugs) - lived} of {len(bugs)} bugs were found")
    return 1 if lived else 0


@contextmanager
def _planted(bug: Bug, tree: Path) -> Iterator[None]:
    """Plant a bug while the block runs."""
    path = tree / bug.file
    source = path.read_text(encoding="utf-8")
    _write(path, bug.planted_in(source))
    try:
        yield
    finally:
        _write(path, source)


def _write(path: Path, source: str) -> None:
    """Write a module, and delete what is compiled of it: that is compared by seconds and by size only."""
    path.write_text(source, encoding="utf-8")
    Path(cache_from_source(str(path))).unlink(missing_ok=True)


def _run(tree: Path, named: Sequence[str], *, whole_suite: bool) -> TestRun:
    """Run these tests in the copy, or all of `make test`, up to the first failure."""
    options = _WHOLE_SUITE if whole_suite else (*_ALONE, *named)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--tb=short", "-p", "no:cacheprovider", *options]
    try:
        done = subprocess.run(
            command,
            cwd=tree,
            env=_environment(tree),
            capture_output=True,
            text=True,
            check=False,
            timeout=_DEADLINE,
        )
    except subprocess.TimeoutExpired:
        return TestRun(_FAILED, f"FAILED after-{_DEADLINE}-seconds")
    return TestRun(done.returncode, done.stdout + done.stderr)


if __name__ == "__main__":
    sys.exit(main())
