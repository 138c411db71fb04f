"""
Recipes: tested options for a provider by name, with blanks for what only its customer knows.

A recipe is a JSON file in `recipes/`. It describes the values it needs and has
`${name}` where they go: replaced, never evaluated, and not looked at again.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final, cast

from dispatcher.providers.contract import Misconfigured
from dispatcher.providers.generic_http.template import Json

_PLACEHOLDER: Final = re.compile(r"\$\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class RecipeValue:
    """What one value of a recipe is; without `default` it must be given, and must match all of `pattern`."""

    what: str
    secret: bool = False
    default: str | None = None
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """One recipe; `source` are the public documents it was made from."""

    title: str
    source: tuple[str, ...]
    values: Mapping[str, RecipeValue]
    options: Mapping[str, Json]


def recipe_names() -> list[str]:
    """List the recipes there are."""
    files = (resources.files(__package__) / "recipes").iterdir()
    return sorted(file.name.removesuffix(".json") for file in files if file.name.endswith(".json"))


@cache
def load_recipe(name: str) -> Recipe:
    """Read one of `names`."""
    text = (resources.files(__package__) / "recipes" / f"{name}.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    values = {name: RecipeValue(**value) for name, value in document["values"].items()}
    return Recipe(document["title"], tuple(document["source"]), values, document["options"])


def apply_recipe(provider: str, options: Mapping[str, object]) -> dict[str, object]:
    """
    Put the values of `with` into the recipe that these options name, and the other options over it.

    Where both have an object, it is merged one level deep. Options without a
    recipe are given as they are. Misconfigured names all that is missing or
    wrong, and no value.
    """
    own = {name: value for name, value in options.items() if name not in ("recipe", "with")}
    if "recipe" not in options:
        return dict(options)
    if options["recipe"] not in recipe_names():
        known = ", ".join(recipe_names())
        raise Misconfigured(
            f"provider {provider}: there is no recipe {options['recipe']!r}; known are {known}"
        )
    recipe = load_recipe(str(options["recipe"]))
    values = _values(provider, recipe, options.get("with", {}))
    merged = cast("dict[str, object]", _substituted(dict(recipe.options), values))
    for name, value in own.items():
        under = merged.get(name)
        both = isinstance(under, dict) and isinstance(value, Mapping)
        merged[name] = {**cast("dict[str, object]", under), **cast("Any", value)} if both else value
    return merged


def _values(provider: str, recipe: Recipe, given: object) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise Misconfigured(f"provider {provider}: with: this is no object of the recipe's values")
    faults = [
        f"with.{name}: this recipe knows no such value" for name in sorted(given.keys() - recipe.values)
    ]
    found: dict[str, str] = {}
    for name, value in recipe.values.items():
        said = given.get(name, value.default)
        if said is None:
            faults.append(f"with.{name} is missing: {value.what}")
        elif not isinstance(said, str) or not re.fullmatch(value.pattern or r"(?s).+", said):
            faults.append(f"with.{name} must be text as told here: {value.what}")
        else:
            found[name] = said
    if faults:
        raise Misconfigured(f"provider {provider}: {'; '.join(faults)}")
    return found


def _substituted(template: Json, values: Mapping[str, str]) -> Json:
    match template:
        case str():
            return _PLACEHOLDER.sub(lambda blank: values[blank[1]], template)
        case list():
            return [_substituted(item, values) for item in template]
        case dict():
            return {name: _substituted(item, values) for name, item in template.items()}
    return template
