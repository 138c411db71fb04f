"""The result of one run, as a file from which reports are made."""

import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from dispatcher.local.embedded.binaries import find_postgres, find_valkey
from dispatcher.version import VERSION
from faults.auditor.verdict import audit
from faults.healing import Healing, heal_times
from faults.run import RunPlan, RunResult

_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class RunReport:
    """What became of one run; each violation is a rule with its description."""

    seed: int
    seconds: float
    weight: float
    settled_in: float
    written: int
    accepted: int
    statuses: Mapping[str, int]
    in_doubt: int
    doubled_by_policy: int
    callbacks: int
    skipped: Sequence[str]
    healings: Sequence[Healing]
    violations: Sequence[tuple[str, str]]
    versions: Mapping[str, str]

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def judge(plan: RunPlan, result: RunResult) -> RunReport:
    """Audit a run, and return its report."""
    verdict = audit(result.evidence)
    return RunReport(
        seed=plan.seed,
        seconds=plan.seconds,
        weight=plan.weight,
        settled_in=result.settled_in,
        written=verdict.written,
        accepted=verdict.accepted,
        statuses=verdict.statuses,
        in_doubt=verdict.in_doubt,
        doubled_by_policy=verdict.doubled_by_policy,
        callbacks=len(result.evidence.callbacks),
        skipped=result.skipped,
        healings=heal_times(result.evidence),
        violations=[(v.rule, v.describe()) for v in verdict.violations],
        versions=_versions(),
    )


def load_report(path: Path) -> RunReport:
    """Return a saved report."""
    fields = json.loads(path.read_text(encoding="utf-8"))
    fields["healings"] = [Healing(**healing) for healing in fields["healings"]]
    fields["violations"] = [(rule, text) for rule, text in fields["violations"]]
    return RunReport(**fields)


def _versions() -> Mapping[str, str]:
    return {
        "dispatcher": f"{VERSION} ({_output('git', '-C', str(_ROOT), 'rev-parse', '--short', 'HEAD')})",
        "Python": platform.python_version(),
        "PostgreSQL": _output(str(find_postgres() / "postgres"), "--version").rpartition(" ")[2],
        "Valkey": _output(str(find_valkey()), "--version").partition("v=")[2].partition(" ")[0],
        "Celery": version("celery"),
        "kernel": platform.release(),
    }


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
