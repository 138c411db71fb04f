"""The doors as people name them are those that the API has."""

from dispatcher.api.app import DIALECTS
from dispatcher.local.dialect_credentials import CREDENTIALS, PATHS, describe_use


def test_each_dialect_has_a_key_and_a_path() -> None:
    names = {dialect.name for dialect in DIALECTS}
    assert set(PATHS) == names
    assert {lock.dialect for lock in CREDENTIALS.values()} == names


def test_each_path_that_is_told_is_claimed_by_its_dialect() -> None:
    for dialect in DIALECTS:
        served = {mount.path for mount in dialect.mounts}
        assert set(PATHS[dialect.name]) <= served


def test_a_credential_tells_its_door() -> None:
    for door, lock in CREDENTIALS.items():
        assert describe_use(lock.kind, lock.dialect) == door
        assert len(lock.words) == 1 + lock.kind.has_name
    assert describe_use("console", "manage") == "manage console"
