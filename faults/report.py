"""The report of several runs: the part of docs/trust.md that is measured."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from faults.healing import Healing
from faults.result import RunReport

BEGIN = "<!-- measured: `python -m faults --report` writes from here -->"
END = "<!-- measured: to here -->"
_RULES = {
    "lost": "lost after an answer of success",
    "accepted twice": "accepted twice for one idempotency key",
    "doubled": "sent twice outside the in-doubt policy",
    "outside its window": "sent outside the window",
    "sent though cancelled": "sent though cancelled",
    "number nobody wrote": "sent to a number nobody wrote",
    "text nobody wrote": "sent with a text nobody wrote",
    "refunded though sent": "refunded though a provider took it",
    "unfinished": "without an end after the run",
    "unexplained": "with a status nobody can explain",
    "history": "with a transition that is not in the table",
    "receipt": "without a receipt that the provider gave",
    "reference": "with a provider's reference of another message",
    "callback": "callbacks missing, or at a wrong URL",
    "ledger": "entries of the ledger that do not add up",
    "run": "campaign runs that do not add up",
    "refused": "right requests refused",
}


def write_report(path: Path, reports: Sequence[RunReport]) -> None:
    """Replace the measured part of the document. Raises ValueError if it has none."""
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no part between {BEGIN!r} and {END!r}")
    measured = "\n".join(render(reports))
    path.write_text(f"{before}{BEGIN}\n\n{measured}\n\n{END}{after}", encoding="utf-8")


def render(reports: Sequence[RunReport]) -> Iterator[str]:
    """Yield the lines of the measured part."""
    yield from _render_runs(reports)
    yield from _render_violations(reports)
    yield from _render_healing([healing for report in reports for healing in report.healings])


def summary(report: RunReport) -> str:
    """Return one run in a line."""
    return (
        f"seed {report.seed}: {len(report.healings)} faults in {report.seconds:.0f} s,"
        f" {report.written} messages written, {report.accepted} accepted,"
        f" {report.callbacks} callbacks, {report.in_doubt} in doubt,"
        f" {report.doubled_by_policy} doubled by policy, settled in {report.settled_in:.0f} s,"
        f" {len(report.violations)} violations"
    )


def _render_runs(reports: Sequence[RunReport]) -> Iterator[str]:
    versions = reports[0].versions
    yield ", ".join(f"{name} {number}" for name, number in versions.items()) + "."
    skipped = sorted({name for report in reports for name in report.skipped})
    if skipped:
        yield ""
        yield f"Left out, because the machine has none of it: {', '.join(skipped)}."
    yield ""
    columns = (
        "seed",
        "minutes",
        "faults",
        "messages",
        "accepted",
        "callbacks",
        "in doubt",
        "doubled by policy",
    )
    yield f"| {' | '.join(columns)} | settled |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for r in reports:
        yield (
            f"| {r.seed} | {r.seconds / 60:.1f} | {len(r.healings)} | {r.written} | {r.accepted}"
            f" | {r.callbacks} | {r.in_doubt} | {r.doubled_by_policy} | {r.settled_in:.0f} s |"
        )
    yield ""


def _render_violations(reports: Sequence[RunReport]) -> Iterator[str]:
    count = Counter(rule for report in reports for rule, _ in report.violations)
    yield "| broken promises: messages … | count |"
    yield "|---|---|"
    for rule, words in _RULES.items():
        yield f"| {words} | {count[rule]} |"
    yield ""
    for report in reports:
        for rule, text in report.violations:
            yield f"- seed {report.seed}, {rule}: `{text.splitlines()[0]}`"
    yield ""


def _render_healing(healings: Sequence[Healing]) -> Iterator[str]:
    by_name = defaultdict(list)
    for healing in healings:
        by_name[healing.name].append(healing)
    yield "| fault | times | from its | time to heal, median | longest | longest way of a password |"
    yield "|---|---|---|---|---|---|"
    for name, found in sorted(by_name.items()):
        known = [h.seconds for h in found if h.seconds is not None]
        unknown = len(found) - len(known)
        longest = f"{max(known):.1f} s" if known else "–"
        longest += f", {unknown} cut short by the next fault" if unknown else ""
        yield (
            f"| {name} | {len(found)} | {'start' if found[0].in_place else 'end'}"
            f" | {f'{median(known):.1f} s' if known else '–'} | {longest} | {_seconds(found)} |"
        )


def _seconds(healings: Sequence[Healing]) -> str:
    worst = [healing.worst for healing in healings if healing.seconds is not None]
    return f"{max(worst):.1f} s" if worst else "–"
