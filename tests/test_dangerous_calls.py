"""Nothing of the product runs text as code, starts a shell, or uses a weak hash or guessable secrets."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("dispatcher", "workers", "migrations")

FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "dill", "xml", "lxml", "yaml", "telnetlib", "ftplib"}
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "os.popen",
    "asyncio.create_subprocess_shell",
    "hashlib.md5",
    "hashlib.sha1",
    "ssl._create_unverified_context",
    "tempfile.mktemp",
}
FORBIDDEN_NAMES = {"ssl.CERT_NONE", "hashlib.md5", "hashlib.sha1", "jwt.none"}
FORBIDDEN_ARGUMENTS = {("shell", True), ("verify", False), ("check_hostname", False), ("ssl", False)}

# Where such a thing is right, and why.
ALLOWED = {
    "dispatcher/providers/twilio.py: hashlib.sha1": "Twilio signs its webhooks with HMAC-SHA1",
}

# Modules that draw numbers that nobody may guess use `secrets`; these draw others.
RANDOM = {
    "dispatcher/domain/delivery/verdict.py": "spreads retries",
    "dispatcher/providers/smpp/link.py": "spreads retries",
    "dispatcher/sandbox/network.py": "a simulation that can be repeated",
    "dispatcher/service/context.py": "spreads retries",
    "dispatcher/service/database.py": "spreads retries",
}


def _faults(tree: ast.AST) -> Iterator[str]:
    """Yield each forbidden import, call, name and argument."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names if name.name.split(".")[0] in FORBIDDEN_MODULES)
            case ast.ImportFrom(module=str(module), level=0) if module.split(".")[0] in FORBIDDEN_MODULES:
                yield module
            case ast.Call(func=ast.Name(id=name)) if name in FORBIDDEN_CALLS:
                yield name
            case ast.Attribute() if (name := ast.unparse(node)) in FORBIDDEN_CALLS | FORBIDDEN_NAMES:
                yield name
            case ast.keyword(arg=str(name), value=ast.Constant(value=value)):
                if any(name == bad and value is wrong for bad, wrong in FORBIDDEN_ARGUMENTS):
                    yield f"{name}={value!r}"


def _sources() -> Iterator[tuple[str, ast.AST]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def _imports_random(node: ast.AST) -> bool:
    match node:
        case ast.Import(names=names):
            return any(name.name == "random" for name in names)
        case ast.ImportFrom(module="random", level=0):
            return True
    return False


def test_nothing_dangerous_is_called() -> None:
    found = {f"{path}: {fault}" for path, tree in _sources() for fault in _faults(tree)}
    assert found == ALLOWED.keys()


def test_random_numbers_that_can_be_guessed_are_no_secrets() -> None:
    importing = {path for path, tree in _sources() if any(_imports_random(node) for node in ast.walk(tree))}
    assert importing == RANDOM.keys()


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from xml.etree import ElementTree",
        "eval(text)",
        "os.system(text)",
        "subprocess.run(text, shell=True)",
        "hashlib.md5(data)",
        "hmac.digest(key, data, hashlib.sha1)",
        "context.verify_mode = ssl.CERT_NONE",
        "httpx.get(url, verify=False)",
    ],
)
def test_a_planted_call_is_found(code: str) -> None:
    assert list(_faults(ast.parse(code)))
