"""`python -m faults`: strike faults at a stack under load, and audit what is left."""

import argparse
import asyncio
import tempfile
from pathlib import Path

from faults.audit import audit
from faults.run import RunPlan, run


def main() -> int:
    """Return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same load and faults")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument(
        "--weight", type=float, default=1.0, help="of the load; 1 is some thirty messages a second"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dispatcher-faults-") as folder:
        plan = RunPlan(args.seed, args.minutes * 60, args.weight)
        result = asyncio.run(run(Path(folder), plan, announce=print))
    verdict = audit(result.evidence)
    for violation in verdict.violations:
        print(violation.describe())
    print(verdict.written, verdict.accepted, verdict.statuses, verdict.in_doubt, verdict.doubled_by_policy)
    print(f"{len(verdict.violations)} violations")
    return 1 if verdict.violations else 0


if __name__ == "__main__":
    raise SystemExit(main())
