"""
`python -m faults`: strike faults at a stack under load, and audit what is left.

A run prints each broken promise with the history of its message, and ends
with 1 if there is one. `--report` makes docs/trust.md of the results of runs.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

from faults.report import summary, write_report
from faults.result import RunReport, judge, load_report
from faults.run import RunPlan, run, short_run

_PREFIXES = ("DATABASE_URL", "REDIS_URL", "DISPATCHER_")  # the stack has settings of its own
_DOCUMENT = Path(__file__).parents[1] / "docs" / "trust.md"


def main() -> int:
    """Return 1 if a promise was broken."""
    arguments = _parser().parse_args()
    if arguments.report:
        write_report(_DOCUMENT, [load_report(path) for path in arguments.report])
        return 0
    plan = RunPlan(arguments.seed, arguments.minutes * 60, arguments.weight)
    if arguments.short:
        plan = short_run(arguments.seed)
    report = _run(plan, keep=arguments.keep)
    if arguments.out:
        report.save(arguments.out)
    print(json.dumps(report.statuses))
    for healing in report.healings:
        seconds = "not before the next fault" if healing.seconds is None else f"{healing.seconds:.1f} s"
        print(f"  {healing.name}: healed in {seconds}, longest way of a password {healing.worst:.1f} s")
    for _, text in report.violations:
        print(text)
    print(summary(report))
    return 1 if report.violations else 0


def _run(plan: RunPlan, *, keep: Path | None) -> RunReport:
    for name in [name for name in os.environ if name.startswith(_PREFIXES)]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="dispatcher-faults-") as folder:
        result = asyncio.run(run(Path(folder), plan, announce=partial(print, flush=True, file=sys.stderr)))
        report = judge(plan, result)
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            shutil.copy(result.journal, keep)
            shutil.copytree(Path(folder) / "logs", keep / "logs", dirs_exist_ok=True)
    return report


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same load and faults")
    parser.add_argument("--minutes", type=float, default=10.0, help="of load and faults (default: 10)")
    parser.add_argument("--weight", type=float, default=1.0, help="of the load; 1 is 30 messages a second")
    parser.add_argument("--short", action="store_true", help="half a minute, as CI runs it")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the result here")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the journal and the logs here")
    parser.add_argument("--report", type=Path, nargs="+", metavar="FILE", help="write docs/trust.md of these")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
