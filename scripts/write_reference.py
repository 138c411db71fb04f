"""
Write `docs/reference/` from the docstrings of the public modules. A test sees that the pages are up to date.

Nothing is imported: the code is read, so an annotation is shown as its author wrote it.
"""

import ast
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
ERRORS = "dispatcher.domain.errors"

_LINE = 96

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Definition = ast.ClassDef | ast.Assign | _Function


@dataclass(frozen=True, slots=True)
class Page:
    """One page: the module whose public names it shows, and under which headings."""

    title: str
    module: str
    sections: Mapping[str, Sequence[str]]
    more: str = ""
    results: Mapping[str, str] = field(default_factory=dict)  # what its calls return, and where it is defined
    not_constructed: frozenset[str] = frozenset()  # classes that a caller only gets


PAGES = {
    "producer": Page(
        title="The producer",
        module="dispatcher.producer",
        sections={"Messages": ["Dispatcher"], "Campaigns": ["Campaign", "Progress"]},
        more="[producer.md](../producer.md) shows how to use it.",
        results={
            "AcceptedBatch": "dispatcher.domain.messages.submission",
            "AcceptedMessage": "dispatcher.domain.messages.submission",
            "MessageView": "dispatcher.store.messages.views",
            "History": "dispatcher.service.messages.search",
            "Event": "dispatcher.store.messages.views",
            "CountedBatch": "dispatcher.service.messages.search",
            "BatchView": "dispatcher.store.messages.views",
            "EditReport": "dispatcher.domain.messages.edit",
            "FoundInbound": "dispatcher.store.inbound.messages",
        },
        not_constructed=frozenset({"Campaign"}),
    ),
    "provider-contract": Page(
        title="The provider contract",
        module="dispatcher.providers.contract",
        sections={
            "What a plug-in implements": ["Provider", "Listens", "Polls", "ProviderFactory"],
            "What it is given": ["ProviderConfig", "Traffic", "Outgoing", "Tier", "Gate", "ReportHandler"],
            "Outcomes": ["Outcome", "Accepted", "Rejected", "Deferred", "Unsent", "Unknown", "Status"],
            "Parts of long texts": ["PartlyAccepted", "Unaccepted", "PartsTaken", "outcome_of_parts"],
            "Receipts and messages from handsets": [
                "ReceiptRequest",
                "ProviderReports",
                "ReceiptReport",
                "Inbound",
                "InboundPart",
                "InboundData",
            ],
        },
        more="[Adding a provider](../development/adding-a-provider.md) shows a whole plug-in.",
    ),
}


def main() -> None:
    """Write all pages."""
    REFERENCE.mkdir(exist_ok=True)
    for name in PAGES:
        (REFERENCE / f"{name}.md").write_text(render(name), encoding="utf-8")


def render(name: str) -> str:
    """Return a page. Raises ValueError for a public name that it does not show."""
    page = PAGES[name]
    homes = {**_homes(page.module), **page.results}
    errors = [name for name in homes if _is_error(name)]
    shown = [name for names in page.sections.values() for name in names]
    if missing := homes.keys() - {*shown, *errors, *page.results}:
        raise ValueError(
            f"{page.module} exports {', '.join(sorted(missing))}, and PAGES has no section for it"
        )
    blocks = [f"# {page.title}", _header(page)]
    for section, names in page.sections.items():
        blocks += [f"## {section}", *_entries(names, homes, page)]
    if page.results:
        blocks += ["## Results", *_entries(list(page.results), homes, page)]
    blocks += _errors("\n".join(blocks), errors)
    return _link_pages("\n\n".join(block for block in blocks if block)) + "\n"


def _link_pages(text: str) -> str:
    """Make links of the pages that docstrings name."""
    return re.sub(r"`docs/([\w/-]+\.md)`", r"[\1](../\1)", text)


def _header(page: Page) -> str:
    note = f"Made by `make reference` from the docstrings of `{page.module}`. {page.more}".strip()
    return f"{_docstring(_tree(page.module))}\n\n{note}"


def _entries(names: Sequence[str], homes: Mapping[str, str], page: Page) -> Iterator[str]:
    for name in names:
        yield f"### `{name}`"
        yield from _entry(*_definition(homes[name], name), is_constructed=name not in page.not_constructed)


def _entry(definition: _Definition, documentation: str, *, is_constructed: bool) -> Iterator[str]:
    if isinstance(definition, ast.Assign):
        yield _code(ast.unparse(definition))
        yield documentation
        return
    if isinstance(definition, _Function):
        result = f" -> {ast.unparse(definition.returns)}" if definition.returns else ""
        yield _code(_call(definition.name, _arguments(definition, bound=0), result))
        yield documentation
        return
    methods = _methods(definition)
    explained = [method for method in methods if _docstring(method)]
    others = [f"    {_signature(method)}" for method in methods if method not in explained]
    head = _constructor(definition) if is_constructed else f"class {definition.name}"
    yield _code("\n".join([f"{head}:" if others else head, *others]))
    yield documentation
    if members := _members(definition):
        yield ", ".join(f"`{name}` = `{value}`" for name, value in members)
    for method in explained:
        yield f"#### `{definition.name}.{method.name}`"
        yield _code(_signature(method))
        yield _docstring(method)


def _errors(page: str, exported: Sequence[str]) -> list[str]:
    """Return the section of the errors that the page mentions, in the order of the tree."""
    mentioned = [
        (node.name, ast.unparse(node.bases[0]), _docstring(node))
        for node in _tree(ERRORS).body
        if isinstance(node, ast.ClassDef)
        and (node.name in exported or re.search(rf"\b{node.name}\b", page))
        and _is_error(node.name)
    ]
    rows = [f"| `{name}` | `{base}` | {' '.join(text.split())} |" for name, base, text in mentioned]
    if not rows:
        return []
    return ["## Errors", f"All are in `{ERRORS}`.", "\n".join(["| error | is a | |", "|---|---|---|", *rows])]


@cache
def _tree(module: str) -> ast.Module:
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))


def _homes(module: str) -> dict[str, str]:
    """Return the public names of a module, and the module in which each is defined."""
    tree = _tree(module)
    [exported] = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    imported = {
        alias.name: str(node.module)
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return {name: imported[name] for name in exported}


def _is_error(name: str) -> bool:
    """Whether this is a class of the tree of errors."""
    classes = {node.name: node for node in _tree(ERRORS).body if isinstance(node, ast.ClassDef)}
    while name in classes and classes[name].bases:
        name = ast.unparse(classes[name].bases[0])
    return name == "Exception"


def _definition(module: str, name: str) -> tuple[_Definition, str]:
    """Return the class, the function or the type alias of this name, and its docstring."""
    body = _tree(module).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.ClassDef | _Function) and node.name == name:
            return node, _docstring(node)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            match after:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    return node, inspect.cleandoc(text)
            return node, ""
    raise ValueError(f"{module} does not define {name}")


def _constructor(node: ast.ClassDef) -> str:
    bases = [ast.unparse(base) for base in node.bases]
    if any(base.endswith("Enum") or base == "Protocol" for base in bases):
        return f"class {node.name}({', '.join(bases)})"
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            return _call(node.name, _arguments(method), "")
    return _call(node.name, [_field(field) for field in _fields(node)], "")


def _fields(node: ast.ClassDef) -> list[ast.AnnAssign]:
    return [field for field in node.body if isinstance(field, ast.AnnAssign)]


def _field(node: ast.AnnAssign) -> str:
    text = f"{ast.unparse(node.target)}: {ast.unparse(node.annotation)}"
    return text if node.value is None else f"{text} = {_default(node.value)}"


def _default(value: ast.expr) -> str:
    """Return a default as a reader thinks of it: an empty one for the factory that makes it."""
    written = ast.unparse(value)
    made = re.fullmatch(r"field\(default_factory=(\w+)\)", written)
    return f"{made[1]}()" if made else written


def _members(node: ast.ClassDef) -> list[tuple[str, str]]:
    if not any(ast.unparse(base).endswith("Enum") for base in node.bases):
        return []
    return [
        (ast.unparse(member.targets[0]), ast.unparse(member.value))
        for member in node.body
        if isinstance(member, ast.Assign)
    ]


def _methods(node: ast.ClassDef) -> list[_Function]:
    return [
        method for method in node.body if isinstance(method, _Function) and not method.name.startswith("_")
    ]


def _signature(method: _Function) -> str:
    result = f" -> {ast.unparse(method.returns)}" if method.returns else ""
    decorators = {ast.unparse(decorator) for decorator in method.decorator_list}
    if "property" in decorators:
        return f"{method.name}: {ast.unparse(method.returns)}" if method.returns else method.name
    prefix = "async " if isinstance(method, ast.AsyncFunctionDef) else ""
    kind = "@classmethod\n" if "classmethod" in decorators else ""
    return kind + prefix + _call(method.name, _arguments(method), result)


def _arguments(method: _Function, *, bound: int = 1) -> list[str]:
    """Return the arguments without `self`, which is `bound`, each with its annotation and default."""
    given = method.args
    plain = given.args[bound:]
    defaults = [None] * (len(plain) - len(given.defaults)) + list(given.defaults)
    shown = [_argument(one, default) for one, default in zip(plain, defaults, strict=True)]
    if given.kwonlyargs:
        shown.append("*")
    shown += [_argument(one, d) for one, d in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    return shown


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    text = (
        argument.arg if argument.annotation is None else f"{argument.arg}: {ast.unparse(argument.annotation)}"
    )
    return text if default is None else f"{text} = {ast.unparse(default)}"


def _call(name: str, arguments: Sequence[str], result: str) -> str:
    line = f"{name}({', '.join(arguments)}){result}"
    if len(line) <= _LINE:
        return line
    return "\n".join([f"{name}(", *(f"    {argument}," for argument in arguments), f"){result}"])


def _code(text: str) -> str:
    quoted = re.sub(r"'([^'\"]*)'", r'"\1"', text)
    return f"```python\n{quoted}\n```"


def _docstring(node: ast.Module | ast.ClassDef | _Function) -> str:
    return ast.get_docstring(node) or ""


if __name__ == "__main__":
    main()
