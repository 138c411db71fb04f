"""The table of results: medians of all rounds, ratios first, with the targets."""

import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path

Results = Mapping[str, Sequence[Mapping[str, float]]]
"""The figures of each trial, round by round."""

PACE = "pace"
"""The trial of `cpu.pace` between the others, in `ms`."""

_BEGIN, _END = "<!-- written by make bench -->", "<!-- until here -->"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table; `of` computes its figure from the results."""

    label: str
    of: Callable[[Results], float]
    unit: str = ""
    aim: str = ""

    def line(self, results: Results) -> str:
        """Return the row in Markdown."""
        value = self.of(results)
        text = "skipped" if isnan(value) else f"{_number(value)} {self.unit}".rstrip()
        return f"| {self.label} | {text} | {self.aim} |"


def median(trial: str, figure: str) -> Callable[[Results], float]:
    """Return a function that gives the median of a trial's figure; NaN if the trial was skipped."""
    return lambda results: statistics.median([figures[figure] for figures in results.get(trial, ())] or [nan])


def ratio(above: Callable[[Results], float], below: Callable[[Results], float]) -> Callable[[Results], float]:
    """Return a function that gives the ratio of two figures."""
    return lambda results: above(results) / below(results)


_RATE = median("delivery", "rate")
_AIOHTTP = median("delivery, aiohttp", "rate")
_SMSCS = {"npm": "the npm package smpp", "sandbox": "the sandbox"}
_PARTS = ("worker-bulk", "postgres", "worker-clock", "beat", "valkey", "api")


def _smpp(smsc: str, latency: int) -> Sequence[Row]:
    """Return the rows of one trial over SMPP; the target is three times the rate of Jasmin at 0 ms."""
    trial = f"smpp, {smsc}, {latency} ms"
    return (
        Row(f"SMPP to {_SMSCS[smsc]}, {latency} ms", median(trial, "rate"), "messages/s", ">= 3,000"),
        Row("the same, until every receipt is stored", median(trial, "whole_rate"), "messages/s"),
        Row("CPU per message and its receipt, all our processes", median(trial, "cpu_us"), "µs", "<= 400"),
        Row("lost or doubled", median(trial, "lost_or_doubled"), "", "0"),
    )


ROWS = (
    Row("delivery rate against the typical design", ratio(_RATE, median("typical", "rate")), "times",
        ">= 20"),
    Row("the same over aiohttp", ratio(_AIOHTTP, median("typical", "rate")), "times", ">= 10"),
    Row("delivery rate against the floor", ratio(_RATE, median("floor", "rate")), "times"),
    Row("rate with 1 % of calls taking 2 s", ratio(median("delivery, 1 % slow", "rate"), _RATE),
        "times", ">= 0.5"),
    Row("delivery", _RATE, "messages/s"),
    Row("delivery over aiohttp", _AIOHTTP, "messages/s"),
    Row("delivery, provider of 0 ms", median("delivery, 0 ms", "rate"), "messages/s"),
    Row("typical design, best of its concurrencies", median("typical", "rate"), "messages/s"),
    Row("floor", median("floor", "rate"), "messages/s"),
    Row("CPU per message, all our processes", median("delivery", "cpu_us"), "µs", "<= 250"),
    *(Row(f"of that {part}", median("delivery", f"cpu_us {part}"), "µs") for part in _PARTS),
    Row("CPU per message over aiohttp, all our processes", median("delivery, aiohttp", "cpu_us"), "µs",
        "<= 400"),
    Row("critical beside bulk, commit to provider, p50", median("delivery with critical", "critical_p50_ms"),
        "ms", "<= 15"),
    Row("the same, p99", median("delivery with critical", "critical_p99_ms"), "ms", "<= 50"),
    Row("lag of a scheduled message, idle, p50", median("idle lag", "lag_p50_ms"), "ms", "<= 20"),
    Row("the same, p99", median("idle lag", "lag_p99_ms"), "ms", "<= 100"),
    Row("sent before their time", median("idle lag", "early"), "", "0"),
    Row("sent twice", median("delivery", "duplicates"), "", "0"),
    Row("first account's backlog", median("backlog", "messages"), "messages"),
    Row("second account's 100 behind it, all sent within", median("backlog", "second_account_s"), "s",
        "<= 5"),
    Row("largest process meanwhile", median("backlog", "peak_mib"), "MiB", "<= 300"),
    Row("in doubt after kill -9 of the bulk worker", median("kill -9", "in_doubt"), "messages"),
    Row("rate x (latency + flush age) x 1.5 in that run", median("kill -9", "bound"), "messages", "not less"),
    Row("of those in doubt the provider had", median("kill -9", "in_doubt_and_seen"), "messages"),
    Row("single submits, one API process, 64 clients", median("single submits", "requests_s"), "requests/s",
        ">= 1,500"),
    Row("the same, p99", median("single submits", "p99_ms"), "ms", "<= 100"),
    Row("10,000 recipients in one request", median("10,000 recipients", "accepted_s"), "s", "<= 1"),
    Row("single submits meanwhile, p99", median("10,000 recipients", "singles_p99_ms"), "ms", "<= 100"),
    Row("10,000 recipients of seven countries", median("10,000 mixed recipients", "accepted_s"), "s", "<= 3"),
    Row("single submits meanwhile, p99", median("10,000 mixed recipients", "singles_p99_ms"), "ms", "<= 100"),
    Row("receipts ingested and matched", median("receipts", "receipts_s"), "receipts/s", ">= 3,000"),
    *(row for smsc in ("npm", "sandbox") for latency in (0, 50) for row in _smpp(smsc, latency)),
)  # fmt: skip


def table(results: Results) -> str:
    """Return the table in Markdown."""
    lines = ["| what | median | target |", "|---|---|---|"]
    return "\n".join([*lines, *(row.line(results) for row in ROWS)])


def write(page: Path, results: Results, *, latency_ms: float) -> None:
    """Replace the part of the page between its marks by the table; the rest stays."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    after = rest.partition(_END)[2]
    rounds = len(results["delivery"])
    paces = sorted(figures["ms"] for figures in results[PACE])
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    heading = (
        f"{machine}; medians of {rounds} rounds, interleaved; everything on this one machine;"
        f" the provider answers after {latency_ms:g} ms. Speed of the machine meanwhile: the same Python"
        f" loop took {paces[0]:.0f} to {paces[-1]:.0f} ms between the trials, {statistics.median(paces):.0f}"
        " ms in the median."
    )
    page.write_text(f"{before}{_BEGIN}\n{heading}\n\n{table(results)}\n{_END}{after}", encoding="utf-8")


def _number(value: float) -> str:
    return (
        f"{value:,.0f}"
        if value >= 100 or value == int(value)
        else f"{value:,.2g}"
        if value < 1
        else f"{value:,.1f}"
    )
