"""`python -m bench [--quick]`: run the trials, print one table, write docs/benchmarks.md."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import trials
from bench.cpu import other_load
from bench.rig import Rig, provider_process, run
from bench.trials import Figures
from dispatcher.embedded.ports import free_port
from dispatcher.embedded.servers import embedded_servers

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
LATENCY_MS = 50
_QUIET = 0.4
_CONCURRENCIES = (16, 32, 64)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, few messages, nothing written")
    quick = parser.parse_args().quick
    if (load := other_load()) > _QUIET:
        sys.exit(f"the machine is busy ({load:.1f} cores in use): what is measured now means nothing")
    messages, rounds = (10_000, 1) if quick else (60_000, 3)
    found: dict[str, list[Figures]] = {}

    def note(name: str, figures: Figures) -> None:
        found.setdefault(name, []).append(figures)
        print(f"  {name}: {json.dumps({k: round(v, 1) for k, v in figures.items()})}", flush=True)

    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", flush=True)
        run(lambda rig: _ours(rig, messages, note))
        note("typical", _typical(messages // 20, quick=quick))
    table = _table(found)
    print(table)
    if not quick:
        PAGE.write_text(_page(table, found), encoding="utf-8")


def _ours(rig: Rig, messages: int, note: Callable[[str, Figures], None]) -> None:
    rig.settings(latency_ms=LATENCY_MS, slow_share=0)
    trials.unlimited(rig)
    trials.delivery(rig, 5_000)  # warm: connections, plans, code
    note("idle lag", _with(rig, lambda: trials.lag(rig, 100)))
    note("delivery", _with(rig, lambda: trials.delivery(rig, messages)))
    note("delivery with critical", _with(rig, lambda: trials.delivery(rig, messages, critical=100)))
    note("delivery, 1 % slow", _with(rig, lambda: trials.delivery(rig, messages // 2), slow_share=0.01))
    note("single submits", trials.singles(rig, messages // 10))
    note("10,000 recipients", trials.large(rig, mixed=False))
    note("10,000 mixed recipients", trials.large(rig, mixed=True))


def _with(rig: Rig, trial: Callable[[], Figures], *, slow_share: float = 0.0) -> Figures:
    rig.settings(latency_ms=LATENCY_MS, slow_share=slow_share, slow_ms=2000)
    return trial()


def _typical(messages: int, *, quick: bool) -> Figures:
    """Run the typical design with each number of processes; give the best of them."""
    rates = {n: _typical_with(n, messages) for n in (_CONCURRENCIES[1:2] if quick else _CONCURRENCIES)}
    best = max(rates, key=rates.__getitem__)
    return {"rate": rates[best], "processes": best}


def _typical_with(processes: int, messages: int) -> float:
    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="dispatcher-bench-") as folder,
        embedded_servers(Path(folder), durable=True) as (database_url, redis_url),
        provider_process(port) as provider,
    ):
        provider.post("/settings", json={"latency_ms": LATENCY_MS}).raise_for_status()
        urls = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "PROVIDER_URL": f"http://127.0.0.1:{port}",
        }
        environment = {**os.environ, **urls}
        command = [sys.executable, "-m", "bench.typical"]
        subprocess.run([*command, "prepare", "--messages", str(messages)], env=environment, check=True)
        subprocess.run([*command, "enqueue"], env=environment, check=True)
        worker = subprocess.Popen(
            [*command, "worker", "--concurrency", str(processes), "--prefetch", "1"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while (stats := provider.get("/stats").json())["submits"] < messages:
                time.sleep(0.2)
        finally:
            worker.terminate()
            worker.wait(60)
        return messages / (float(stats["last_at"]) - float(stats["first_at"]))


def _table(found: dict[str, list[Figures]]) -> str:
    ratio = _median(found, "delivery", "rate") / _median(found, "typical", "rate")
    lines = [
        "| what | median |",
        "|---|---|",
        f"| **delivery rate, ours against the typical design** | **{ratio:.1f} times** |",
    ]
    lines += [
        f"| {name}: {figure} | {_median(found, name, figure):,.1f} |"
        for name, rounds in found.items()
        for figure in rounds[0]
    ]
    return "\n".join(lines)


def _median(found: dict[str, list[Figures]], name: str, figure: str) -> float:
    return statistics.median(figures[figure] for figures in found[name] if figure in figures)


def _page(table: str, found: dict[str, list[Figures]]) -> str:
    rounds = len(next(iter(found.values())))
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    return (
        "# Benchmarks\n\n"
        f"Written by `make bench` on {machine}: medians of {rounds} rounds, everything on one machine,"
        f" the provider answering after {LATENCY_MS} ms. Absolute figures move with the machine; the ratio"
        " holds.\n\n"
        f"{table}\n"
    )


main()
