"""
Write a CycloneDX 1.6 bill of materials from requirements.lock: a pin's purl, version, hashes and licence.

Licences are those of the installed packages; a pin for another platform has none here. Packages of the extra
`embedded` are optional; those that only tests and tools need are excluded from what is run.
"""

import argparse
import hashlib
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.lock_file import LOCK, ROOT, Pin, read_lock

MARKER: Final = "sms-dispatcher:marker"
"""The property with the environments for which a version is pinned."""

_SPDX: Final = {
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
}
"""The identifiers of classifiers that leave no doubt: "BSD License" does."""

_LONGEST_NAME = 60


def main() -> int:
    """Write the file, and say where it is."""
    parser = argparse.ArgumentParser(prog="make sbom", description="Write a bill of materials.")
    parser.add_argument("--output", type=Path, default=ROOT / "dist" / "sbom.cdx.json")
    output: Path = parser.parse_args().output
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(render(LOCK.read_text(encoding="utf-8")) + "\n", encoding="utf-8")
    print(output)
    return 0


def render(lock: str) -> str:
    """Return the bill of materials of a lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins, bom = read_lock(lock), Bom()
    bom.serial_number = uuid5(NAMESPACE_URL, hashlib.sha256(lock.encode()).hexdigest())
    root = bom.metadata.component = _root(project)
    scopes = _scopes(project, pins)
    components: dict[str, list[Component]] = defaultdict(list)
    for pin in pins:
        components[pin.name].append(_component(pin, scopes[pin.name]))
    components[canonicalize_name(root.name)] = [root]
    bom.components.update(one for named in components.values() for one in named if one is not root)
    for name, named in components.items():
        needed = [one for pin in pins if name in pin.via for one in components[pin.name]]
        for component in named:
            bom.register_dependency(component, needed)
    return JsonV1Dot6(bom).output_as_string(indent=2)


def _root(project: Mapping[str, Any]) -> Component:
    name, version = project["name"], project["version"]
    return Component(
        name=name,
        version=version,
        type=ComponentType.APPLICATION,
        bom_ref=f"{name}@{version}",
        description=project["description"],
        licenses=[LicenseFactory().make_from_string(project["license"])],
    )


def _component(pin: Pin, scope: ComponentScope) -> Component:
    url = PackageURL("pypi", name=pin.name, version=pin.version)
    marker = pin.requirement.marker
    return Component(
        name=pin.name,
        version=pin.version,
        type=ComponentType.LIBRARY,
        bom_ref=str(url),
        purl=url,
        scope=scope,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in pin.hashes],
        licenses=_licences(pin),
        properties=[Property(name=MARKER, value=str(marker))] if marker else (),
    )


def _scopes(project: Mapping[str, Any], pins: Sequence[Pin]) -> Mapping[str, ComponentScope]:
    """Return the scope of each name: required to run, optional for the embedded servers, else excluded."""
    required = _reachable(project["dependencies"], pins)
    embedded = _reachable(project["optional-dependencies"]["embedded"], pins)
    scopes = dict.fromkeys((pin.name for pin in pins), ComponentScope.EXCLUDED)
    scopes |= dict.fromkeys(embedded, ComponentScope.OPTIONAL)
    return scopes | dict.fromkeys(required, ComponentScope.REQUIRED)


def _reachable(requirements: Iterable[str], pins: Sequence[Pin]) -> set[str]:
    brings_in: dict[str, set[str]] = defaultdict(set)
    for pin in pins:
        for name in pin.via:
            brings_in[name].add(pin.name)
    waiting: list[str] = [canonicalize_name(Requirement(text).name) for text in requirements]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += brings_in[name]
    return found & {pin.name for pin in pins}


def _licences(pin: Pin) -> Sequence[License]:
    try:
        installed = metadata(pin.name)
    except PackageNotFoundError:
        return ()
    if installed["Version"] != pin.version:
        return ()
    return [LicenseFactory().make_from_string(name) for name in _names(installed)][:1]


def _names(installed: PackageMetadata) -> Sequence[str]:
    """Return the names of the licence, the most exact first."""
    classifiers = [
        text.rpartition(" :: ")[2]
        for text in installed.get_all("Classifier", [])
        if text.startswith("License :: ") and text.count(" :: ") > 1
    ]
    exact = [_SPDX[name] for name in classifiers if name in _SPDX]
    stated = [text for text in installed.get_all("License", []) if _is_a_name(text)]
    return [*installed.get_all("License-Expression", []), *exact, *stated, *classifiers]


def _is_a_name(text: str) -> bool:
    """Whether the field names a licence: some packages have its whole text there."""
    return 0 < len(text) <= _LONGEST_NAME and "\n" not in text


if __name__ == "__main__":
    sys.exit(main())
