"""Every dialect of the API has credentials and paths."""

from dispatcher.api.app import DIALECTS
from dispatcher.local.dialect_credentials import CREDENTIALS, PATHS, describe_use


def test_each_dialect_has_a_key_and_a_path() -> None:
    names = {dialect.name for dialect in DIALECTS}
    assert set(PATHS) == names
    assert {credential.dialect for credential in CREDENTIALS.values()} == names


def test_each_path_is_served_by_its_dialect() -> None:
    for dialect in DIALECTS:
        served = {mount.path for mount in dialect.mounts}
        assert set(PATHS.get(dialect.name, ())) <= served


def test_a_credential_has_a_use() -> None:
    for use, credential in CREDENTIALS.items():
        assert describe_use(credential.kind, credential.dialect) == use
        assert len(credential.field_names) == 1 + credential.kind.has_name
    assert describe_use("console", "manage") == "manage console"
