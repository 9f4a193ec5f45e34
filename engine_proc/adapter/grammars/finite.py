"""Whether a JSON text of finite length can match a JSON Schema, which may refer to itself."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]


def is_finite(root: Schema) -> bool:
    """Return whether a JSON text of finite length can match `root`. Takes time linear in the size of `root`.

    A schema is finite if all of its conditions are met. Each names some schemas, of which one must be finite.
    """
    unmet: dict[int, int] = {}
    """Number of unmet conditions of each schema, by the schema's `id`."""
    conditions_on: dict[int, list[tuple[int, int]]] = defaultdict(list)
    """By the `id` of a schema: the conditions that name it, as the `id` of their schema and their number there."""
    finite: list[int] = []
    for schema in _inside(root):
        conditions = list(_conditions(schema, root))
        unmet[id(schema)] = len(conditions)
        for number, options in enumerate(conditions):
            for option in options:
                conditions_on[id(option)].append((id(schema), number))
        if not conditions:
            finite.append(id(schema))
    met: set[tuple[int, int]] = set()
    for found in finite:  # which grows
        for condition in conditions_on[found]:
            if condition in met:
                continue
            met.add(condition)
            unmet[condition[0]] -= 1
            if unmet[condition[0]] == 0:
                finite.append(condition[0])
    return unmet[id(root)] == 0


def _inside(root: Schema) -> Iterator[Schema]:
    """Yield `root` and each object inside, once."""
    left = [root]
    while left:
        schema = left.pop()
        yield schema
        for value in schema.values():
            if isinstance(value, dict):
                left.append(value)
            elif isinstance(value, list):
                left += [part for part in value if isinstance(part, dict)]


def _conditions(schema: Schema, root: Schema) -> Iterator[list[Schema]]:
    """Yield the conditions for a finite text that matches `schema`: schemas of which one must have such a text."""
    single: list[Any] = []
    if isinstance(schema.get("$ref"), str):
        single.append(_resolve(schema["$ref"], root))
    if isinstance(schema.get("allOf"), list):
        single += schema["allOf"]
    kind, properties, required = schema.get("type"), schema.get("properties", {}), schema.get("required", ())
    if kind in ("object", ["object"]) and isinstance(properties, dict) and isinstance(required, list):
        single += [properties.get(name) for name in required if isinstance(name, str)]
    if kind in ("array", ["array"]) and isinstance(schema.get("minItems"), int) and schema["minItems"] > 0:
        single.append(schema.get("items"))
    yield from ([part] for part in single if isinstance(part, dict))
    for keyword in ("anyOf", "oneOf"):
        options = schema.get(keyword)
        if isinstance(options, list) and options and all(isinstance(option, dict) for option in options):
            yield options


def _resolve(reference: str, root: Schema) -> Any:
    """Return what a local `$ref` refers to. None: nothing, or another document."""
    if not reference.startswith("#"):
        return None
    found: Any = root
    for part in reference.removeprefix("#").split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        found = found.get(part) if isinstance(found, dict) else None
    return found
