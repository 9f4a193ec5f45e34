"""Field types of JSON bodies. They are strict: marshmallow's own also accept `"5"` and `true` as numbers."""

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import Any, NoReturn

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, validate

from schemas.errors import MAX_QUOTED
from schemas.requests.parts.acceptor import Acceptor, ListField, Unsupported
from schemas.requests.parts.warnings import warn

MAX_ALTERNATIVES = 20
"""Alternatives of each token that log probabilities may have."""
REST_OF_CONTEXT = -1
"""A number of tokens: as many as the context has room for."""


class _Strict(fields.Field[Any]):
    """A JSON value of exactly one of the Python types `types` (`bool` does not count as a number)."""

    types: tuple[type, ...]
    expected: str

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if type(value) not in self.types:
            raise ValidationError(f"Expected {self.expected}.")
        return value


class Int(_Strict):
    """An integer. `2.0` is one too: some languages have no other numbers."""

    types = (int,)
    expected = "an integer"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if type(value) is float and value.is_integer():
            return int(value)
        return super()._deserialize(value, attr, data, **kwargs)


class Number(_Strict):
    types = (int, float)
    expected = "a number"


class Bool(_Strict):
    types = (bool,)
    expected = "true or false"


class Text(_Strict):
    types = (str,)
    expected = "a string"


class TokenLimit(Int):
    """The most tokens of a choice. -1, as other servers have it, means the rest of the context; 0 is refused."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        limit = super()._deserialize(value, attr, data, **kwargs)
        if limit == 0:
            raise ValidationError("Must be at least 1, or -1 for the rest of the context.")
        return limit


class Alternatives(Int):
    """How many alternatives to return for each token. -1, vLLM's name for all of them, is lowered to the most."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        wanted = super()._deserialize(value, attr, data, **kwargs)
        if wanted != -1:
            return wanted
        warn(f"`{self.name}`: -1 is the whole vocabulary; the {MAX_ALTERNATIVES} likeliest tokens are returned.")
        return MAX_ALTERNATIVES


class Seed(Int):
    """A 64-bit integer; -1 is a seed like any other, though vLLM itself takes it for "no seed"."""


class TotalLength(validate.Validator):
    """The limit of all texts of a list, or of all keys of an object, together."""

    def __init__(self, max: int) -> None:
        self.max = max

    def __call__(self, value: Collection[str]) -> Collection[str]:
        if sum(map(len, value)) > self.max:
            raise ValidationError(f"Expected at most {self.max} characters in all.")
        return value


class Items(ListField):
    """A JSON array, loaded as a list. With `scalar`, a single value counts as an array of one (`"stop": "\\n"`).

    Elements that are `left_out` count as absent (`"stop": [null]`).

    Its length is checked before its elements are loaded, and the first bad element ends the loading: a client chooses
    how many there are. marshmallow's own list loads all of them first, and keeps an error for each.
    """

    default_error_messages = {"invalid": "Expected an array."}

    def __init__(
        self, inner: fields.Field[Any], *, scalar: bool = False, left_out: tuple[Any, ...] = (), **kwargs: Any
    ) -> None:
        super().__init__(inner, **kwargs)
        self.scalar = scalar
        self.left_out = left_out

    def elements(self, value: Any) -> list[Any]:
        listed = self._listed(value)
        return [element for element in listed if element not in self.left_out] if self.left_out else listed

    def _listed(self, value: Any) -> list[Any]:
        if self.scalar and not isinstance(value, (list, dict)):
            value = [value]
        if not isinstance(value, list):
            raise (
                self.make_error("invalid")
                if not self.scalar
                else ValidationError("Expected a string or an array of strings.")
            )
        check_length(self, value)
        return value

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        loaded = []
        for index, element in enumerate(self._listed(value)):
            if element in self.left_out:
                continue
            try:
                loaded.append(self.inner.deserialize(element, **kwargs))
            except ValidationError as error:
                raise ValidationError({index: error.messages}) from None
        return loaded


def check_length(field: fields.Field[Any], value: Collection[Any]) -> None:
    """Raise `ValidationError` if `value` is shorter or longer than the `Length` of `field` allows."""
    for validator in field.validators:
        if isinstance(validator, validate.Length):
            validator(value)


def at(key: Any, load: Callable[[Any], Any], value: Any) -> Any:
    """Return `load(value)`. Adds `key`, where the value stands, to the path of a `ValidationError`."""
    try:
        return load(value)
    except ValidationError as error:
        raise ValidationError({key: error.messages}) from None


class LogitBias(fields.Field[dict[str, float]]):
    """An object from a token, an id in digits or a text, to a bias in [-100, 100]."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, float]:
        if not isinstance(value, Mapping):
            raise ValidationError("Expected an object from token to bias.")
        given = {token: bias for token, bias in value.items() if bias is not None}
        for token, bias in given.items():
            if type(bias) not in (int, float) or not -100 <= bias <= 100:
                raise ValidationError({token[:MAX_QUOTED]: ["Expected a number in [-100, 100]."]})
            if not token:
                raise ValidationError("A token must not be empty.")
        return given


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


class Part(Schema):
    """The base class of the objects of a body, and of the body itself."""

    def handle_error(self, error: ValidationError, data: Any, *, many: bool, **kwargs: Any) -> NoReturn:
        """Raise a copy of `error`.

        marshmallow would raise `error` itself, to which the frame that calls this refers. Its traceback refers to that
        frame: a cycle, which would keep a body of megabytes until a garbage collection.
        """
        raise ValidationError(error.messages, data=error.data, valid_data=error.valid_data)


class Body(Part):
    """The base class of request bodies. Unknown fields are ignored, as by OpenAI's servers, unless `strict_fields`."""

    def __init__(self, *, strict_fields: bool = False, **kwargs: Any) -> None:
        super().__init__(unknown=RAISE if strict_fields else EXCLUDE, **kwargs)

    def load(self, data: Any, **kwargs: Any) -> Any:
        """Return what `data` loads to. Raises `ValidationError`, which is always marshmallow's own."""
        accepted = None if kwargs else self.accept(data)
        return super().load(data, **kwargs) if accepted is None else accepted

    def accept(self, data: Any) -> Any:
        """Return what `data` loads to, or None where marshmallow must decide."""
        if self._acceptor is None:
            return None
        try:
            return self._acceptor(data)
        except ValidationError:
            return None

    @cached_property
    def _acceptor(self) -> Acceptor | None:
        """None: marshmallow loads every body."""
        try:
            return Acceptor(self)
        except Unsupported:
            return None

    def fill_defaults(self, data: dict[str, Any]) -> None:
        """Replace each null in `data` by its field's default: null means the same as an absent field."""
        for name, default in self._defaults.items():
            if data.get(name) is None:
                data[name] = default

    @cached_property
    def _defaults(self) -> dict[str, Any]:
        """The defaults that are not null."""
        return {name: field.load_default for name, field in self.fields.items() if field.load_default is not None}
