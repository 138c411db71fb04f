"""The page on adding a status names every place that lists them all."""

import importlib
import pkgutil
from collections import defaultdict
from pathlib import Path

from sqlalchemy import CheckConstraint

import dispatcher
from dispatcher.domain.messages.status import Status
from dispatcher.store.status_literals import code_list
from dispatcher.store.tables import metadata
from tests.docs.scratch import ROOT, changes, page_text

PAGE = "adding-a-status"
FINAL = {status for status in Status if status.is_final}


def test_every_table_of_all_final_statuses_is_changed() -> None:
    homes: dict[int, set[str]] = defaultdict(set)
    for module in map(importlib.import_module, _modules()):
        for value in vars(module).values():
            if isinstance(value, dict) and {key for key in value if isinstance(key, Status)} >= FINAL:
                homes[id(value)].add(str(Path(str(module.__file__)).relative_to(ROOT)))
    changed = {change.path for change in changes(PAGE)}
    assert len(homes) > 5
    assert [files for files in homes.values() if not files & changed] == []


def test_every_constraint_on_all_statuses_is_changed() -> None:
    constrained = {
        table.name
        for table in metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint) and f"({code_list(Status)})" in str(constraint.sqltext)
    }
    assert constrained
    assert [name for name in sorted(constrained) if f'"{name}"' not in page_text(PAGE)] == []


def _modules() -> list[str]:
    found = pkgutil.walk_packages(dispatcher.__path__, "dispatcher.")
    return [module.name for module in found if not module.name.endswith("__main__")]
