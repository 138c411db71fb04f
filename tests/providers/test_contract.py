"""`dispatcher.providers.contract` has every name that a plug-in needs, and our own plug-ins use it."""

import ast
from pathlib import Path

from dispatcher.domain.delivery import provider
from dispatcher.providers import contract

PLUGINS = Path(contract.__file__).parent

# Public names of the domain module that are no part of the contract, and why.
NOT_FOR_PLUGINS = {
    "rest_of": "it reads an outcome; a plug-in makes one",
    "token_rate": "the dispatcher paces messages before it calls a plug-in",
}


def _public_names(module_path: str) -> set[str]:
    """Return the public names that a module defines at its top level."""
    names = set()
    for node in ast.parse(Path(module_path).read_text(encoding="utf-8")).body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                names.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return {name for name in names if not name.startswith("_")}


def test_every_public_name_of_the_domain_module_is_in_the_contract_or_has_a_reason() -> None:
    assert _public_names(provider.__file__) - set(contract.__all__) == set(NOT_FOR_PLUGINS)


def test_all_lists_exactly_the_public_names_of_the_module_in_order() -> None:
    public = {name for name in vars(contract) if not name.startswith("_")}
    assert public == set(contract.__all__)
    assert contract.__all__ == sorted(contract.__all__)


def test_the_contract_has_the_types_of_the_domain_itself() -> None:
    for name in set(contract.__all__) & _public_names(provider.__file__):
        assert getattr(contract, name) is getattr(provider, name)


def test_our_own_plugins_import_these_types_from_the_contract() -> None:
    elsewhere = [
        f"{path.relative_to(PLUGINS)}: {alias.name}"
        for path in PLUGINS.rglob("*.py")
        if path != PLUGINS / "contract.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module != contract.__name__
        for alias in node.names
        if alias.name in contract.__all__
    ]
    assert elsewhere == []
