"""
Checks that every import contract can fail: plants forbidden imports in copies of the tree and lints them.

A contract that names the wrong module always passes and guards nothing. So each
is broken here on purpose, at least once for every rule that it has, and must
report the planted import. Without a planted import the same copy must pass.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("dispatcher", "workers", "migrations")
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

# Forbidden imports, by contract and by importing module.
_FORBIDDEN: dict[str, dict[str, list[str]]] = {
    "layers": {
        "dispatcher.domain": ["dispatcher.settings", "dispatcher.store", "dispatcher.service"],
        "dispatcher.local": ["dispatcher.cli"],
        "dispatcher.settings": ["dispatcher.store", "dispatcher.bootstrap"],
        "dispatcher.smpp": ["dispatcher.batching", "dispatcher.providers"],
        "dispatcher.store": ["dispatcher.lanes", "dispatcher.service"],
        "dispatcher.lanes": ["dispatcher.store", "dispatcher.service"],
        "dispatcher.service": [
            "dispatcher.providers",
            "dispatcher.api",
            "dispatcher.cli",
            "dispatcher.bootstrap",
            "dispatcher.local",
            "dispatcher.sandbox",
        ],
        "dispatcher.bootstrap": [
            "dispatcher.local",
            "dispatcher.api",
            "dispatcher.cli",
            "dispatcher.producer",
        ],
        "dispatcher.api": ["dispatcher.cli", "dispatcher.producer"],
        "dispatcher.cli": ["dispatcher.api", "dispatcher.producer"],
        "dispatcher.producer": ["dispatcher.api", "dispatcher.cli"],
    },
    "pure-domain": {
        "dispatcher.domain": ["httpx", "sqlalchemy.engine", "redis", "asyncio", "os.path", "time"],
        "dispatcher.smpp": ["asyncio", "socket"],
    },
    "leaves": {
        "dispatcher.callbacks": ["dispatcher.service", "dispatcher.lanes", "dispatcher.settings"],
        "dispatcher.providers": ["dispatcher.service", "dispatcher.settings", "dispatcher.lanes"],
        "dispatcher.sandbox": ["dispatcher.service", "dispatcher.store"],
        "dispatcher.local.embedded": ["dispatcher.settings", "dispatcher.cli"],
    },
    "thin-entry-points": {
        "dispatcher.api": ["dispatcher.store", "dispatcher.lanes", "dispatcher.providers"],
        "dispatcher.api.dialects": ["dispatcher.store", "dispatcher.lanes"],
        "workers": ["dispatcher.store", "dispatcher.lanes", "dispatcher.providers"],
    },
    "workers-alone": {
        "workers": ["dispatcher.api", "dispatcher.cli", "dispatcher.producer"],
    },
    "tasks-by-name": {
        "dispatcher.lanes": ["workers"],
        "dispatcher.cli": ["workers"],
    },
    "frameworks": {
        "dispatcher.service": ["celery", "fastapi"],
        "dispatcher.store": ["kombu", "starlette.requests"],
    },
    "speech": {
        "dispatcher.api.dialects": ["sqlalchemy", "redis.asyncio"],
        "dispatcher.api.manage": ["psycopg", "httpx"],
    },
    "dialects": {
        "dispatcher.api.dialects": ["dispatcher.api.dialects.another"],
    },
    "fastapi": {
        "dispatcher.api.dialects": ["fastapi"],
    },
    "migrations": {
        "migrations": ["dispatcher.service", "dispatcher.bootstrap"],
    },
    "domain-order": {
        "dispatcher.domain.messages": ["dispatcher.domain.delivery", "dispatcher.domain.hours"],
        "dispatcher.domain.accounts": ["dispatcher.domain.messages"],
        "dispatcher.domain.delivery": ["dispatcher.domain.routing"],
    },
    "store-order": {
        "dispatcher.store.accounts": ["dispatcher.store.messages", "dispatcher.store.delivery"],
        "dispatcher.store.transitions": ["dispatcher.store.clock"],
        "dispatcher.store.receipts": ["dispatcher.store.delivery"],
    },
    "service-order": {
        "dispatcher.service.accounts": ["dispatcher.service.submissions", "dispatcher.service.campaigns"],
        "dispatcher.service.submissions": ["dispatcher.service.messages", "dispatcher.service.delivery"],
        "dispatcher.service.delivery": ["dispatcher.service.receipts", "dispatcher.service.inbound"],
        "dispatcher.service.context": ["dispatcher.service.routing"],
        "dispatcher.service.clock": ["dispatcher.service.campaigns"],
    },
}


@dataclass(frozen=True, slots=True)
class Plant:
    """A forbidden import of `imported` that is added to `importer`, a module or package."""

    contract: str
    importer: str
    imported: str


def main() -> int:
    """Print which planted imports were caught; return 1 if one was not."""
    plants = _plants()
    contracts = _contracts()
    if unplanted := contracts - {plant.contract for plant in plants}:
        print(f"no forbidden import is planted for: {', '.join(sorted(unplanted))}")
        return 1
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(os.cpu_count()) as pool:
        clean = pool.submit(_lint, _copy_tree(Path(scratch) / "clean"), contracts)
        trees = [Path(scratch) / str(number) for number, _ in enumerate(plants)]
        caught = list(pool.map(_is_caught, plants, trees))
        unplanted_output = clean.result()
    return _report(plants, caught, unplanted_output)


def _plants() -> list[Plant]:
    return [
        Plant(contract, importer, module)
        for contract, importers in _FORBIDDEN.items()
        for importer, forbidden in importers.items()
        for module in forbidden
    ]


def _contracts() -> set[str]:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    return {contract["id"] for contract in options["contracts"]}


def _copy_tree(tree: Path) -> Path:
    tree.mkdir()
    shutil.copy(ROOT / "pyproject.toml", tree)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tree


def _is_caught(plant: Plant, tree: Path) -> bool:
    """Return whether the contract, and it alone, reports the import planted in a copy of the tree."""
    importer = _plant(plant, _copy_tree(tree))
    code, output = _lint(tree, [plant.contract])
    shutil.rmtree(tree)
    imported = plant.imported if plant.imported.startswith(PACKAGES) else plant.imported.partition(".")[0]
    return code == 1 and "0 kept, 1 broken." in output and f"{importer} -> {imported} (l." in output


def _plant(plant: Plant, tree: Path) -> str:
    """Add the import to a new module of a package, or to the end of a module; return that module."""
    path = tree.joinpath(*plant.importer.split("."))
    if not path.is_dir():
        with path.with_suffix(".py").open("a") as module:
            module.write(f"\nimport {plant.imported}\n")
        return plant.importer
    (path / "planted.py").write_text(f"import {plant.imported}\n")
    if plant.imported.startswith(f"{plant.importer}."):  # a sibling, which may not exist
        (path / plant.imported.rpartition(".")[2]).with_suffix(".py").touch()
    return f"{plant.importer}.planted"


def _lint(tree: Path, contracts: Iterable[str]) -> tuple[int, str]:
    only = [option for contract in contracts for option in ("--contract", contract)]
    done = subprocess.run(
        [LINT_IMPORTS, "--no-logo", "--no-cache", *only],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "500", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def _report(plants: list[Plant], caught: list[bool], unplanted: tuple[int, str]) -> int:
    for plant, was_caught in zip(plants, caught, strict=True):
        verdict = "caught" if was_caught else "MISSED"
        print(f"{verdict}  {plant.contract:<14}{plant.importer} -> {plant.imported}")
    code, output = unplanted
    print(
        "passed  the tree with nothing planted" if code == 0 else f"FAILED  with nothing planted:\n{output}"
    )
    return 0 if all(caught) and code == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
