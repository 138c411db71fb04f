"""
Recipes: tested options for a named provider, with placeholders for what only its customer knows.

A recipe is a JSON file in `recipes/`. It describes the values it needs and has
`${name}` in their place. Placeholders are replaced once and never evaluated.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final, cast

from dispatcher.domain.spelling import unknown_name
from dispatcher.providers.contract import Misconfigured
from dispatcher.providers.generic_http.template import Json

_PLACEHOLDER: Final = re.compile(r"\$\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class RecipeValue:
    """One value of a recipe, described by `what`. Required without `default`; must fully match `pattern`."""

    what: str
    secret: bool = False
    default: str | None = None
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """One recipe. `source` lists the public documents behind it."""

    title: str
    source: tuple[str, ...]
    values: Mapping[str, RecipeValue]
    options: Mapping[str, Json]


def recipe_names() -> list[str]:
    """Return the names of all recipes."""
    files = (resources.files(__package__) / "recipes").iterdir()
    return sorted(file.name.removesuffix(".json") for file in files if file.name.endswith(".json"))


@cache
def load_recipe(name: str) -> Recipe:
    """Return the recipe with this name, one of `recipe_names`."""
    text = (resources.files(__package__) / "recipes" / f"{name}.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    values = {name: RecipeValue(**value) for name, value in document["values"].items()}
    return Recipe(document["title"], tuple(document["source"]), values, document["options"])


def apply_recipe(provider: str, options: Mapping[str, object]) -> dict[str, object]:
    """
    Return the options of the named recipe with the values of `with`, overridden by the other options.

    Objects in both are merged one level deep. Options without a recipe are
    returned unchanged. Raises Misconfigured, which names every missing or wrong
    value but never shows one.
    """
    own = {name: value for name, value in options.items() if name not in ("recipe", "with")}
    if "recipe" not in options:
        return dict(options)
    if options["recipe"] not in recipe_names():
        advice = unknown_name(str(options["recipe"]), recipe_names())
        raise Misconfigured(f"provider {provider}: the recipe {options['recipe']!r} is {advice}")
    recipe = load_recipe(str(options["recipe"]))
    values = _values(provider, recipe, options.get("with", {}))
    merged = cast("dict[str, object]", _substituted(dict(recipe.options), values))
    for name, value in own.items():
        base = merged.get(name)
        both = isinstance(base, dict) and isinstance(value, Mapping)
        merged[name] = {**cast("dict[str, object]", base), **cast("Any", value)} if both else value
    return merged


def _values(provider: str, recipe: Recipe, written: object) -> dict[str, str]:
    if not isinstance(written, Mapping):
        raise Misconfigured(f"provider {provider}: with must be an object of the recipe's values")
    faults = [
        f"with.{name}: {unknown_name(name, recipe.values)}" for name in sorted(written.keys() - recipe.values)
    ]
    found: dict[str, str] = {}
    for name, value in recipe.values.items():
        text = written.get(name, value.default)
        if text is None:
            faults.append(f"with.{name} is missing: {value.what}")
        elif not isinstance(text, str) or not re.fullmatch(value.pattern or r"(?s).+", text):
            faults.append(f"with.{name} must be text: {value.what}")
        else:
            found[name] = text
    if faults:
        raise Misconfigured(f"provider {provider}: {'; '.join(faults)}")
    return found


def _substituted(template: Json, values: Mapping[str, str]) -> Json:
    match template:
        case str():
            return _PLACEHOLDER.sub(lambda placeholder: values[placeholder[1]], template)
        case list():
            return [_substituted(item, values) for item in template]
        case dict():
            return {name: _substituted(item, values) for name, item in template.items()}
    return template
