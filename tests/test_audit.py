"""`make audit`: a known vulnerability fails, and so does a pin that is unknown; no network does not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.audit import OPTIONS, PIP_AUDIT, main
from scripts.lock_file import LOCK, read_lock

NAMES = [f"{pin.name}=={pin.version}" for pin in read_lock(LOCK.read_text(encoding="utf-8"))]

# A pip-audit that answers as the real one does: what it has been asked, and what is planted.
FAKE = """
import json, pathlib, sys
asked = pathlib.Path(sys.argv[-1]).read_text().splitlines()
names = [line.partition("==")[0] for line in asked]
assert len(names) == len(set(names)), "the real one refuses a name that comes twice"
with open({log!r}, "a") as log:
    log.writelines(line + "\\n" for line in asked)
vulns = [{{"id": "PYSEC-1", "fix_versions": ["99"], "aliases": [], "description": "x"}}]
found = [
    {{"name": n, "skip_reason": "not found"}} if n in {unknown!r} else
    {{"name": n, "version": v, "vulns": vulns if n in {vulnerable!r} else []}}
    for n, v in (line.split("==") for line in asked)
]
print(json.dumps({{"dependencies": found, "fixes": []}}))
sys.exit(any(one.get("vulns") for one in found))
"""


def _pip_audit(folder: Path, *, vulnerable: tuple[str, ...] = (), unknown: tuple[str, ...] = ()) -> list[str]:
    file, log = folder / "pip_audit.py", folder / "asked"
    file.write_text(FAKE.format(log=str(log), vulnerable=vulnerable, unknown=unknown))
    return [sys.executable, str(file)]


def _fails(text: str) -> list[str]:
    return [sys.executable, "-c", f"import sys; sys.exit({text!r})"]


def test_every_pin_is_looked_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(_pip_audit(tmp_path)) == 0
    assert set((tmp_path / "asked").read_text().splitlines()) == set(NAMES)
    said = capsys.readouterr().out
    assert said == f"audit: {len(NAMES)} pins, 0 known vulnerabilities, 0 pins unknown\n"


def test_a_known_vulnerability_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(_pip_audit(tmp_path, vulnerable=("celery",))) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("celery==5.")
    assert first.endswith(": PYSEC-1, fixed in 99")
    assert "1 known vulnerabilities" in last


def test_a_pin_that_the_source_does_not_know_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(_pip_audit(tmp_path, unknown=("celery",))) == 1
    assert capsys.readouterr().out.splitlines()[0] == "celery: not found"


@pytest.mark.parametrize(
    "error",
    [
        "ERROR:pip_audit._cli:Could not connect to the advisory service\n",
        "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='x'): Max retries exceeded",
        "ERROR: Tried to connect to a proxy",
    ],
)
def test_without_a_source_it_says_so_in_one_line_and_does_not_fail(
    error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(_fails(error)) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("audit: no source of advisories could be reached, so nothing was looked up")


def test_a_source_that_knows_nothing_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    everything = tuple(name.partition("==")[0] for name in NAMES)
    assert main(_pip_audit(tmp_path, unknown=everything)) == 0
    assert "no source of advisories" in capsys.readouterr().out
    assert len((tmp_path / "asked").read_text().splitlines()) == 1


def test_another_failure_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="pip-audit failed: ValueError: a bug"):
        main(_fails("Traceback\nValueError: a bug"))


def test_the_real_one_takes_our_options(tmp_path: Path) -> None:
    (tmp_path / "none.txt").write_text("")
    done = subprocess.run(
        [*PIP_AUDIT, *OPTIONS, "--requirement", str(tmp_path / "none.txt")], capture_output=True, text=True
    )
    assert json.loads(done.stdout)["dependencies"] == []
