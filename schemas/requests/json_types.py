"""Field types of JSON bodies. They are strict: marshmallow's own also accept `"5"` and `true` as numbers."""

from collections.abc import Mapping
from typing import Any

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields


class _Strict(fields.Field[Any]):
    """A JSON value of exactly one of the Python types `types` (`bool` does not count as a number)."""

    types: tuple[type, ...]
    expected: str

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if type(value) not in self.types:
            raise ValidationError(f"Expected {self.expected}.")
        return value


class Int(_Strict):
    types = (int,)
    expected = "an integer"


class Number(_Strict):
    types = (int, float)
    expected = "a number"


class Bool(_Strict):
    types = (bool,)
    expected = "true or false"


class Text(_Strict):
    types = (str,)
    expected = "a string"


class Seed(Int):
    """A 64-bit integer; -1 is a seed like any other, though vLLM itself takes it for "no seed"."""


class Items(fields.List[Any]):
    """A JSON array, loaded as a list. With `scalar`, a single value counts as an array of one (`"stop": "\\n"`)."""

    def __init__(self, inner: fields.Field[Any], *, scalar: bool = False, **kwargs: Any) -> None:
        super().__init__(inner, **kwargs)
        self.scalar = scalar

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        if self.scalar and not isinstance(value, (list, dict)):
            value = [value]
        if not isinstance(value, list):
            raise ValidationError(
                "Expected an array." if not self.scalar else "Expected a string or an array of strings."
            )
        return list(super()._deserialize(value, attr, data, **kwargs))


class LogitBias(fields.Field[dict[str, float]]):
    """An object from a token, an id in digits or a text, to a bias in [-100, 100]."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, float]:
        if not isinstance(value, Mapping):
            raise ValidationError("Expected an object from token to bias.")
        for token, bias in value.items():
            if type(bias) not in (int, float) or not -100 <= bias <= 100:
                raise ValidationError({token: ["Expected a number in [-100, 100]."]})
            if not token:
                raise ValidationError("A token must not be empty.")
        return dict(value)


def optional(
    field: type[fields.Field[Any]],
    default: Any,
    description: str,
    *args: Any,
    otherwise: str | None = None,
    **kwargs: Any,
) -> Any:
    """Return a field that may be absent or null; both mean `default`. `otherwise` documents what the default does."""
    metadata = {"description": description} | ({} if otherwise is None else {"x-default": otherwise})
    return field(*args, load_default=default, allow_none=True, metadata=metadata, **kwargs)


class Body(Schema):
    """The base class of request bodies. Unknown fields are ignored, as by OpenAI's servers, unless `strict_fields`."""

    def __init__(self, *, strict_fields: bool = False, **kwargs: Any) -> None:
        super().__init__(unknown=RAISE if strict_fields else EXCLUDE, **kwargs)

    def fill_defaults(self, data: dict[str, Any]) -> None:
        """Replace each null in `data` by its field's default: null means the same as an absent field."""
        for name, field in self.fields.items():
            if data.get(name) is None:
                data[name] = field.load_default
