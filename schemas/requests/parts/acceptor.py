"""Loads the bodies that nothing is wrong with, from a schema's declarations, without marshmallow's accounting.

Most of marshmallow's time for a body goes into what only a refusal needs: an error store, a closure and a path for each
field. An acceptor has the schema's own fields, validators and hooks called, in marshmallow's order, and gives up at the
first thing that is wrong. Then marshmallow loads the body from its beginning, and writes the refusal. So a field is
declared once, and every error is marshmallow's. tests/fuzz/test_acceptor.py compares the two.
"""

from collections.abc import Callable, Iterable
from typing import Any, cast

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, missing
from marshmallow.decorators import POST_LOAD, PRE_LOAD, VALIDATES, VALIDATES_SCHEMA

Accept = Callable[[Any, str, Any], Any]
"""Called with a value, its field's name and the body; returns the loaded value, or raises `ValidationError`."""


class ListField(fields.List[Any]):
    """A list whose elements can be loaded one by one."""

    def elements(self, value: Any) -> list[Any]:
        """Return the elements of `value`, not loaded yet. Raises `ValidationError` if it is no list, or too long."""
        raise NotImplementedError


class Unsupported(Exception):
    """The schema has something that the acceptor does not know. Only marshmallow loads its bodies."""


class Acceptor:
    """Loads one object as a schema does, or raises `ValidationError` without a usable message."""

    def __init__(self, schema: Schema, unknown: str | None = None) -> None:
        """`unknown`: what happens to undeclared fields; None: what the schema says. Raises `Unsupported`."""
        unknown = unknown or cast("str", schema.unknown)
        if unknown not in (EXCLUDE, RAISE) or schema.many or schema.partial or schema._hooks[VALIDATES]:
            raise Unsupported(type(schema).__name__)
        self._refuse_unknown = unknown == RAISE
        self._options = {"many": False, "partial": schema.partial, "unknown": unknown}
        self._before = _hooks(schema, PRE_LOAD)
        self._checks = _hooks(schema, VALIDATES_SCHEMA)
        self._after = _hooks(schema, POST_LOAD)
        self._template = {_key(name, field): field.load_default for name, field in schema.load_fields.items()}
        """The loaded object of an empty body, in the order of the declarations, which prompts can show."""
        self._without_default = [key for key, default in self._template.items() if default is missing]
        self._required = {_key(name, field) for name, field in schema.load_fields.items() if field.required}
        self._fields = {
            field.data_key or name: (_key(name, field), field.allow_none, _accept(field))
            for name, field in schema.load_fields.items()
        }

    def __call__(self, data: Any) -> Any:
        """Return what the schema would load from `data`. Raises `ValidationError` where it would refuse."""
        options = self._options
        for hook in self._before:
            data = hook(data, **options)
        if not isinstance(data, dict):
            raise ValidationError("")
        loaded = self._template.copy()
        known = self._fields
        for name, value in data.items():
            found = known.get(name)
            if found is not None:
                key, allow_none, accept = found
                if value is not None:
                    loaded[key] = accept(value, name, data)
                elif allow_none:
                    loaded[key] = None
                else:
                    raise ValidationError("")
            elif self._refuse_unknown:
                raise ValidationError("")
        for key in self._without_default:
            if loaded[key] is missing:
                if key in self._required:
                    raise ValidationError("")
                del loaded[key]
        for hook in self._checks:
            hook(loaded, **options)
        result: Any = loaded
        for hook in self._after:
            result = hook(result, **options)
        return result


def _key(name: str, field: fields.Field[Any]) -> str:
    key = field.attribute or name
    if "." in key or callable(field.load_default):
        raise Unsupported(name)
    return key


def _hooks(schema: Schema, tag: str) -> list[Callable[..., Any]]:
    """Return the schema's methods with the decorator `tag`, in the order in which marshmallow calls them."""
    if any(whole or options.get("pass_original") for _, whole, options in schema._hooks[tag]):
        raise Unsupported(tag)
    return [getattr(schema, name) for name, _, _ in schema._hooks[tag]]


def _accept(field: fields.Field[Any]) -> Accept:
    """Return a function that does what `field.deserialize` does with a value that is not None."""
    if field.pre_load or field.post_load:
        return field.deserialize
    if type(field) is fields.Nested and not field.many:
        nested = Acceptor(field.schema, field.unknown)
        return _validated(lambda value, name, data: nested(value), field.validators)
    if isinstance(field, ListField):
        return _validated(_accept_list(field), field.validators)
    return _validated(field._deserialize, field.validators)


def _accept_list(field: ListField) -> Accept:
    inner, allow_none = _accept(field.inner), field.inner.allow_none

    def accept(value: Any, name: str, data: Any) -> list[Any]:
        elements = field.elements(value)
        if not allow_none and None in elements:
            raise ValidationError("")
        return [None if element is None else inner(element, name, data) for element in elements]

    return accept


def _validated(accept: Accept, validators: Iterable[Callable[[Any], Any]]) -> Accept:
    """Return `accept` followed by `validators`."""
    found = list(validators)
    if not found:
        return accept

    def accept_valid(value: Any, name: str, data: Any) -> Any:
        loaded = accept(value, name, data)
        for validator in found:
            validator(loaded)
        return loaded

    return accept_valid
