"""`python -m bench [--quick]`: runs the trials, prints a table, and writes it to docs/benchmarks.md."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx

from bench import faults, smpp, table, trials
from bench.cpu import other_load, pace
from bench.rig import Rig, http_peer, provider_process, run
from bench.trials import Figures
from dispatcher.local.embedded.ports import free_port
from dispatcher.local.embedded.servers import embedded_servers
from dispatcher.store.migrate import upgrade

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
LATENCY_MS = 50
_QUIET = 0.4
_CONCURRENCIES = (16, 32, 64)


def main() -> None:
    """Run all trials, print the table, and write it unless --quick is given."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round with few messages; writes nothing")
    parser.add_argument("--rounds", type=int, default=3, help="how often all trials are run in turn")
    options = parser.parse_args()
    quick: bool = options.quick
    if (load := other_load()) > _QUIET:
        sys.exit(f"the machine is busy ({load:.1f} cores in use): measurements would be meaningless")
    messages, rounds = (10_000, 1) if quick else (40_000, options.rounds)
    found: dict[str, list[Figures]] = {}

    def record(name: str, figures: Figures) -> None:
        found.setdefault(name, []).append(figures)
        found.setdefault(table.PACE, []).append({"ms": pace()})
        print(f"  {name}: {json.dumps({k: round(v, 1) for k, v in figures.items()})}", flush=True)

    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", flush=True)
        run(lambda rig: _ours(rig, messages, record))
        run(
            lambda rig: record("delivery, aiohttp", _over_aiohttp(rig, messages)),
            peer=partial(http_peer, wire="aiohttp"),
        )
        smpp.measure(smpp.Load(messages // 2), record)
        record("typical", _typical(messages // 20, quick=quick))
        record("floor", _floor(messages))
    print(table.table(found))
    if not quick:
        table.write(PAGE, found, latency_ms=LATENCY_MS)


def _ours(rig: Rig, messages: int, record: Callable[[str, Figures], None]) -> None:
    _warm(rig)
    record("idle lag", _with(rig, lambda: trials.lag(rig, 100)))
    record("delivery", _with(rig, lambda: trials.delivery(rig, messages)))
    record("delivery, 0 ms", _with(rig, lambda: trials.delivery(rig, messages), latency_ms=0))
    record("delivery, 1 % slow", _with(rig, lambda: trials.delivery(rig, messages), slow_share=0.01))
    record("delivery with critical", _with(rig, lambda: trials.delivery(rig, messages, critical=100)))
    record("receipts", _with(rig, lambda: trials.receipts(rig, messages // 2)))
    record("backlog", _with(rig, lambda: faults.backlog(rig, 5 * messages)))
    record("single submits", _with(rig, lambda: trials.single_submits(rig, messages // 5)))
    record("10,000 recipients", _with(rig, lambda: trials.large_submit(rig, mixed=False)))
    record("10,000 mixed recipients", _with(rig, lambda: trials.large_submit(rig, mixed=True)))
    latency = LATENCY_MS / 1000
    record("kill -9", _with(rig, lambda: faults.kill(rig, messages // 2, latency=latency)))


def _over_aiohttp(rig: Rig, messages: int) -> Figures:
    _warm(rig)
    return _with(rig, lambda: trials.delivery(rig, messages))


def _warm(rig: Rig) -> None:
    """Warm up connections, query plans and code."""
    rig.settings(latency_ms=LATENCY_MS, slow_share=0)
    trials.lift_rate_limit(rig)
    trials.delivery(rig, 5_000)


def _with(
    rig: Rig, trial: Callable[[], Figures], *, slow_share: float = 0.0, latency_ms: float = LATENCY_MS
) -> Figures:
    """Return the figures of a trial with this behaviour of the provider, after a vacuum."""
    trials.vacuum()
    rig.settings(latency_ms=latency_ms, slow_share=slow_share, slow_ms=2000)
    return trial()


@contextmanager
def _servers_only() -> Iterator[tuple[dict[str, str], httpx.Client]]:
    """Start servers and a provider without our stack; yield an environment with their URLs, and a client."""
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
        yield {**os.environ, **urls}, provider


def _floor(messages: int) -> Figures:
    with _servers_only() as (environment, _):
        upgrade(environment["DATABASE_URL"])
        command = [sys.executable, "-m", "bench.floor", "--messages", str(messages)]
        output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    found = json.loads(output)
    return {"rate": found["rate"], "cpu_us without Postgres": found["cpu_us"]}


def _typical(messages: int, *, quick: bool) -> Figures:
    """Return the best figures of the typical design over several numbers of processes."""
    rates = {n: _typical_with(n, messages) for n in (_CONCURRENCIES[1:2] if quick else _CONCURRENCIES)}
    best = max(rates, key=rates.__getitem__)
    return {"rate": rates[best], "processes": best}


def _typical_with(processes: int, messages: int) -> float:
    with _servers_only() as (environment, provider):
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


main()
